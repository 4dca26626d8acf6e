"""A clean synthetic data set as an index and pixels, into which each test plants one defect."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT

_PER_CLASS = {"train": 60, "validation": 12, "test": 40}


@dataclass
class Planting:
    """Rows of an index beside their pixels; change either, then `check`."""

    classes: tuple[str, ...] = ("ant", "bee", "cow")
    shape: tuple[int, int, int] = (12, 10, 3)
    rows: list[dict[str, object]] = field(default_factory=list)
    images: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))

    def __post_init__(self) -> None:
        places = [(s, label) for s, n in _PER_CLASS.items() for label in range(len(self.classes)) for _ in range(n)]
        self.images = np.random.default_rng(5).integers(0, 256, (len(places), *self.shape), np.uint8)
        for i, (split, label) in enumerate(places):
            self.rows.append(
                {"sample_id": f"s{i:03d}", "label": label, "split": split, "subject": None, "defect": None, "row": i}
            )

    def of(self, split: str, label: int | None = None) -> list[int]:
        """Positions of a split's samples (of one class)."""
        wanted = [r for r in self.rows if r["split"] == split and label in (None, r["label"])]
        return [self.rows.index(r) for r in wanted]

    def spoil(self, i: int, defect: str) -> None:
        """As ingestion records a defect: no pixels."""
        self.rows[i] |= {"defect": defect, "row": -1}

    def check(self, rules: QualityRules) -> dict[str, CheckResult]:
        """Every check by name."""
        index = pd.DataFrame({key: pd.Series([r[key] for r in self.rows], dtype=object) for key in self.rows[0]})
        index = index.astype({"label": np.int64, "row": np.int64})
        digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in self.images]
        index[CONTENT] = pd.Series([digests[row] if row >= 0 else None for row in index["row"]], dtype=object)
        return {c.name: c for c in check_samples(index, self.images, self.classes, rules)}
