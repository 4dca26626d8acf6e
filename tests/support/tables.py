"""Small tables for tests: amounts, hours and kinds, two classes of which one is rare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table

SCHEMA = TableSchema(
    (
        TableColumn(name="amount", kind="number"),
        TableColumn(name="hour", kind="number", whole=True),
        TableColumn(name="kind", kind="category", categories=("card", "cash", "transfer")),
    )
)


def rows_of(n: int, seed: int = 0, missing: float = 0.05) -> np.ndarray:
    """float64 (n, 3)."""
    draw = np.random.default_rng(seed)
    rows = np.stack([draw.lognormal(3, 1, n), draw.integers(0, 24, n), draw.integers(0, 3, n)], axis=1)
    return np.where(draw.random(rows.shape) < missing, np.nan, rows)


def training(n: int = 400, rare: float = 0.1, seed: int = 0) -> TrainingTable:
    labels = (np.random.default_rng(seed + 1).random(n) < rare).astype(np.int64)
    return training_table(SCHEMA, rows_of(n, seed), labels, [f"t{i}" for i in range(n)])


def transactions(n: int = 1200, seed: int = 0, days: int = 30) -> pd.DataFrame:
    """A table as a fraud team has it: a fraud is a large amount at night, mostly by transfer."""
    draw = np.random.default_rng(seed)
    fraud = draw.random(n) < 0.12
    hour = np.where(fraud & (draw.random(n) < 0.8), draw.integers(0, 5, n), draw.integers(0, 24, n))
    day = np.sort(draw.integers(0, days, n))
    amount = np.round(np.where(fraud, draw.lognormal(5.2, 0.5, n), draw.lognormal(3.2, 0.8, n)), 2)
    kind = np.where(fraud & (draw.random(n) < 0.7), "transfer", draw.choice(["card", "cash", "transfer"], n))
    moments = pd.Timestamp("2024-04-01") + pd.to_timedelta(
        day * 86_400 + hour * 3_600 + draw.integers(0, 3_600, n), "s"
    )
    return pd.DataFrame(
        {
            "transaction": [f"tx-{i:06d}" for i in range(n)],
            "moment": moments,
            "customer": [f"c{i}" for i in draw.integers(0, n // 8, n)],
            "amount": amount,
            "hour": hour,
            "past_week": draw.poisson(6, n),
            "kind": kind,
            "fraud": np.where(fraud, "fraud", "genuine"),
        }
    )


def rules_of_few_frauds(path: Path) -> None:
    """The shipped rules for this table: one payment in eight is a fraud, and what so few can show is required."""
    rules = yaml.safe_load(path.read_text())
    rules["alerts"] = {"class": "fraud", "rate": 0.15}
    if path.parent.name == "gates":
        rules["invariance"] |= {"block_gap": 0.5, "min_n": 100}
        rules["control"] |= {"clean_margin": 0.2, "class_margin": 0.2, "min_gain": -0.2}
        rules["average_precision"] |= {"min_gain": -0.2, "min_n": 100}
        rules["unseen"]["min_gain"] = -0.2
    path.write_text(yaml.safe_dump(rules))


def gate_of_equals(path: Path) -> None:
    """So few frauds cannot show that two models are as good as each other: nothing closer than 20 points is asked."""
    rules = yaml.safe_load(path.read_text())
    rules["champion"] |= dict.fromkeys(("clean_margin", "stressed_margin", "class_margin"), 0.2)
    rules["average_precision"]["champion_margin"] = 0.2
    path.write_text(yaml.safe_dump(rules))
