"""The runtime of `pt2`: an exported program, read by `pt2_archive.py` and asked in `isolated_pt2.py`."""

from __future__ import annotations

from augment_ops.runtime import pt2_archive
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.base import Model, Runtime
from augment_ops.runtime.isolated import IsolatedModel


class _Pt2:
    """See `augment_ops.runtime.base.Runtime`."""

    format = "pt2"
    place = "data/model.pt2"
    libraries = ("mlflow", "numpy", "torch")

    def checked(self, artifact: Artifact) -> bytes:
        """See `Runtime`."""
        return pt2_archive.checked(artifact)

    def scores(self, artifact: Artifact) -> int:
        """See `Runtime`."""
        return pt2_archive.scores(artifact)

    def load(self, artifact: Artifact, device: str, scores: int | None = None) -> Model:
        """See `Runtime`."""
        return IsolatedModel(self.checked(artifact), artifact.source, self.format, device, scores)


RUNTIME: Runtime = _Pt2()
