"""The detectors that rules may name: what they compare, and how each is made of what the rules say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitoring.drift.detectors.base import Detector
from monitoring.drift.detectors.chi_squared import ChiSquared
from monitoring.drift.detectors.classifier import ClassifierTest
from monitoring.drift.detectors.histogram import Binning
from monitoring.drift.detectors.jensen_shannon import JensenShannon
from monitoring.drift.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from monitoring.drift.detectors.kuiper import Kuiper
from monitoring.drift.detectors.mmd import Mmd
from monitoring.drift.detectors.psi import Psi


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
