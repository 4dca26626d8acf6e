"""How far a training has come, kept between its epochs: killed, it goes on there, to the same weights.

Everything random is drawn anew from the number of the epoch, so that weights, optimiser and curve are all there is to
keep. Nothing but tensors and plain values is read back.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augment_ops.files import replace_file
from augment_ops.training.result import EpochMetrics

FORMAT = 1
_FILE = "training.pt"
_UNREADABLE = (
    OSError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, AttributeError, KeyError, TypeError,
    ValueError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """What was kept.

    Attributes:
        curve: of the epochs that are done.
        states: `state_dict` of each part of the training, by name.
    """

    curve: tuple[EpochMetrics, ...]
    states: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """A folder that belongs to one training: to its samples, policy, recipe and seed."""

    folder: Path

    def keep(self, progressed: Progressed) -> None:
        """Put it in place of what was kept before, whole or not at all."""
        replace_file(self.folder / _FILE, written(progressed))

    def last(self) -> Progressed | None:
        """What was kept last; None where there is nothing, or nothing that this version can go on from."""
        try:
            return read(self.folder / _FILE)
        except _UNREADABLE:
            return None


def written(progressed: Progressed) -> bytes:
    """As a file has it."""
    import torch

    kept = io.BytesIO()
    torch.save({"format": FORMAT, "curve": [asdict(one) for one in progressed.curve], **progressed.states}, kept)
    return kept.getvalue()


def read(file: Path | io.BytesIO) -> Progressed | None:
    """What was written; None where that was another format.

    Raises:
        Exception: of `_UNREADABLE`, where it is something else, or cut short.
    """
    import torch

    kept = torch.load(file, map_location="cpu", weights_only=True)
    if kept.pop("format") != FORMAT:
        return None
    return Progressed(curve=tuple(EpochMetrics(**one) for one in kept.pop("curve")), states=kept)
