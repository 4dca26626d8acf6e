"""The runtime of `skops`: gradient-boosted trees, read by `skops_archive.py` and asked in `isolated_skops.py`."""

from __future__ import annotations

from augment_ops.runtime import skops_archive
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.base import Model, Runtime
from augment_ops.runtime.isolated import IsolatedModel


class _Skops:
    """See `augment_ops.runtime.base.Runtime`."""

    format = "skops"
    place = "data/model.skops"
    libraries = ("numpy", "scikit-learn", "skops")

    def checked(self, artifact: Artifact) -> bytes:
        """See `Runtime`."""
        return skops_archive.checked(artifact)

    def scores(self, artifact: Artifact) -> int:
        """See `Runtime`."""
        return skops_archive.scores(artifact)

    def load(self, artifact: Artifact, device: str, scores: int | None = None) -> Model:
        """See `Runtime`."""
        return IsolatedModel(self.checked(artifact), artifact.source, self.format, device, scores)


RUNTIME: Runtime = _Skops()
