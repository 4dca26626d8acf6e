"""Drift detection beside Evidently on the same data: power, speed, memory; and the daily check of pictures.

    python benchmarks/drift.py power | speed | daily

Writes its part of benchmarks/drift.json, and the table of docs/drift.md as benchmarks/drift.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from augment_ops.monitoring.drift.check import check_drift
from augment_ops.monitoring.drift.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from augment_ops.monitoring.drift.detectors.psi import Psi
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.monitoring.drift.table import psi_of_tables
from augment_ops.monitoring.drift.verdict import judge
from augment_ops.production.reference import predictions_of

HERE = Path(__file__).parent
RULES = DriftRules.load(HERE.parent / "policies/drift/default.yaml")
SHIFTS, SIZES, REPEATS, REFERENCE = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0), (50, 200, 1_000, 10_000), 60, 10_000
ROWS, COLUMNS = 1_000_000, 20


def power() -> dict[str, Any]:
    """Share of windows with an alarm, by shift of the mean in standard deviations, size, and damage."""
    from evidently.legacy.calculations.stattests import ks_stat_test, psi_stat_test
    from evidently.legacy.core import ColumnType

    def evidently(test: Any) -> Any:
        def alarm(reference: np.ndarray, window: np.ndarray) -> bool:
            sides = pd.Series(reference).dropna(), pd.Series(window).dropna()  # as its reports do
            return bool(test.func(*sides, ColumnType.Numerical, test.default_threshold)[1])

        return alarm

    def ours(name: str, detector: Any) -> Any:
        def alarm(reference: np.ndarray, window: np.ndarray) -> bool:
            found = detector.measure(reference, window)
            return judge(found, found.p_value, RULES.limits[name], RULES.significance, 2) in ("warn", "drift")

        return alarm

    methods = {
        "psi": ours("psi", Psi()),
        "Evidently psi": evidently(psi_stat_test),
        "ks": ours("kolmogorov-smirnov", KolmogorovSmirnov()),
        "Evidently ks": evidently(ks_stat_test),
    }
    result: dict[str, Any] = {}
    for damage in ("none", "one value of 1e6", "80% missing in the window"):
        for n in SIZES if damage == "none" else (1_000,):
            for shift in SHIFTS if damage == "none" else (0.0, 1.0):
                for name, alarm in methods.items():
                    rate = np.mean([_alarm(alarm, n, shift, damage, i) for i in range(REPEATS)])
                    result.setdefault(damage, {}).setdefault(str(n), {}).setdefault(name, {})[str(shift)] = float(rate)
    return result


def _alarm(alarm: Any, n: int, shift: float, damage: str, number: int) -> bool:
    generator = np.random.default_rng([n, number])
    reference, window = generator.normal(size=REFERENCE), generator.normal(shift, 1, n)
    if damage == "one value of 1e6":
        window[0] = 1e6
    if damage.startswith("80%"):
        window[: int(0.8 * n)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(alarm(reference, window))
        except (ValueError, ZeroDivisionError):
            return False  # it ended without an answer


def speed() -> dict[str, Any]:
    """PSI over files of 10 million rows, and of 1 million beside Evidently."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{side}.parquet" for side in ("reference", "window")]
        for seed, path in enumerate(paths):
            generator = np.random.default_rng(seed)
            pq.write_table(pa.table({f"c{i}": generator.normal(size=ROWS) for i in range(COLUMNS)}), path)
        before = _peak_mb(reset=True)
        started = time.perf_counter()
        psi_of_tables(paths[:1] * 10, paths[1:] * 10)
        ten = time.perf_counter() - started
        peak = _peak_mb()
        started = time.perf_counter()
        psi_of_tables(paths[:1], paths[1:])
        ours = time.perf_counter() - started
        definition = DataDefinition(numerical_columns=[f"c{i}" for i in range(COLUMNS)])
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sides = [Dataset.from_pandas(pq.read_table(path).to_pandas(), definition) for path in paths]
            Report([DataDriftPreset(method="psi")]).run(sides[1], sides[0])
        theirs = time.perf_counter() - started
    return {
        "10M_x_20_s": round(ten, 1),
        "10M_x_20_peak_mb": round(peak),
        "before_mb": round(before),
        "1M_x_20_s": round(ours, 2),
        "evidently_1M_x_20_s": round(theirs, 1),
        "times_faster": round(theirs / ours, 1),
    }


def daily() -> dict[str, Any]:
    """The check of 10,000 pictures of 28 × 28 against 10,000, with the answers and embeddings of a small network."""
    import torch

    from augment_ops.modalities.image.networks import small_cnn, with_pixel_input
    from augment_ops.runtime import load
    from augment_ops.runtime.artifact import Artifact
    from augment_ops.training.export import exported

    generator = np.random.default_rng(0)
    torch.manual_seed(0)
    content = exported(with_pixel_input(small_cnn((28, 28, 1), 10)), np.empty((0, 28, 28, 1), np.uint8))
    observe = load(Artifact(content, hashlib.sha256(content).hexdigest(), "model.pt2")).observe
    classes = [str(i) for i in range(10)]
    pictures = [generator.integers(0, 256, (10_000, 28, 28, 1), dtype=np.uint8) for _ in range(2)]
    started = time.perf_counter()
    sides = []
    for name, images in zip(("reference", "window"), pictures, strict=True):
        answers = predictions_of(observe, images, classes)
        labels = np.where(generator.uniform(size=10_000) < 0.9, answers.predictions, "3").astype(object)
        sides.append(
            replace(
                Sample.of_payload(name, images, labels),
                predictions=answers.predictions,
                confidence=answers.confidence,
                embeddings=answers.embeddings,
            )
        )
    answered = time.perf_counter() - started
    report = check_drift(sides[0], sides[1], RULES)
    return {
        "pictures": 10_000,
        "comparisons": len(report.features),
        "status": report.status,
        "answers_s": round(answered, 1),
        "all_s": round(time.perf_counter() - started, 1),
    }


def _peak_mb(*, reset: bool = False) -> float:
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def table(result: dict[str, Any]) -> str:
    """The power table in Markdown."""
    lines = ["| window | method | " + " | ".join(f"{shift:g} σ" for shift in SHIFTS) + " |"]
    lines.append("|---|---|" + "---|" * len(SHIFTS))
    for damage, sizes in result.items():
        for n, methods in sizes.items():
            for name, rates in methods.items():
                where = f"n = {int(n):,}" + ("" if damage == "none" else f", {damage}")
                cells = (f"{rates[str(s)]:.0%}" if str(s) in rates else "" for s in SHIFTS)
                lines.append(f"| {where} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    path = HERE / "drift.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for part in sys.argv[1:] or ("power", "speed", "daily"):
        known[part] = {"power": power, "speed": speed, "daily": daily}[part]()
    known["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    path.write_text(json.dumps(known, indent=1) + "\n")
    if "power" in known:
        (HERE / "drift.md").write_text(table(known["power"]))
    print(json.dumps({name: known[name] for name in known if name != "power"}, indent=1))


if __name__ == "__main__":
    main()
