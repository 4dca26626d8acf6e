"""The detectors that rules may name: what they compare, and how each is made of what the rules say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from augment_ops.monitoring.drift.detectors.base import Detector
from augment_ops.monitoring.drift.detectors.chi_squared import ChiSquared
from augment_ops.monitoring.drift.detectors.classifier import ClassifierTest
from augment_ops.monitoring.drift.detectors.jensen_shannon import JensenShannon
from augment_ops.monitoring.drift.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from augment_ops.monitoring.drift.detectors.kuiper import Kuiper
from augment_ops.monitoring.drift.detectors.mmd import Mmd
from augment_ops.monitoring.drift.detectors.psi import Psi
from augment_ops.statistics import Binning


@dataclass(frozen=True)
class DetectorSettings:
    """What rules say of all detectors together.

    Attributes:
        permutations: shuffles of the detectors of vectors.
    """

    binning: Binning
    permutations: int


Made = Callable[[DetectorSettings], Detector]

OF_COLUMNS: Mapping[str, Made] = {
    "psi": lambda say: Psi(say.binning),
    "chi-squared": lambda say: ChiSquared(say.binning),
    "jensen-shannon": lambda say: JensenShannon(say.binning),
    "kolmogorov-smirnov": lambda say: KolmogorovSmirnov(),
    "kuiper": lambda say: Kuiper(),
}
OF_VECTORS: Mapping[str, Made] = {
    "mmd": lambda say: Mmd(say.permutations),
    "classifier": lambda say: ClassifierTest(say.permutations),
}
OF_ANSWERS = ("label-shift", "estimated-accuracy", "accuracy", "recall")  # made by hand, each of other columns
