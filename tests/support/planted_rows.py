"""Payments, what the shipped policy makes of them, and the failures that augmentation is known for, planted there."""

from __future__ import annotations

import numpy as np

from augment_ops.modalities.tabular.augmenter import TableAugmenter
from augment_ops.modalities.tabular.schema import TableColumn, TableSchema
from augment_ops.modalities.tabular.training_table import training_table
from augment_ops.policy.spec import Policy
from augment_ops.quality.rules import QualityRules
from support.places import POLICIES
from support.planted import Augmented

SCHEMA = TableSchema(
    (
        TableColumn(name="amount", kind="number", decimals=2),
        TableColumn(name="average", kind="number"),
        TableColumn(name="hour", kind="number", whole=True),
        TableColumn(name="past_week", kind="number", whole=True),
        TableColumn(name="kind", kind="category", categories=("card", "cash", "transfer")),
    )
)
AMOUNT, AVERAGE, HOUR, PAST_WEEK, KIND = range(5)
N = 1_500
CLASSES = ("genuine", "fraud")
POLICY = Policy.load(POLICIES / "augment" / "transactions-robust.yaml")


def payments(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels: a fraud is large, at night, mostly a transfer; one payment in ten is one."""
    draw = np.random.default_rng(seed)
    fraud = draw.random(n) < 0.1
    average = draw.lognormal(3.2, 0.6, n)
    amount = np.round(average * np.where(fraud, draw.lognormal(2, 0.3, n), draw.lognormal(0, 0.4, n)), 2)
    hour = np.where(fraud, draw.integers(0, 5, n), draw.integers(0, 24, n))
    kind = np.where(fraud & (draw.random(n) < 0.7), 2, draw.integers(0, 3, n))
    return np.stack([amount, average, hour, draw.poisson(6, n), kind], axis=1).astype(float), fraud.astype(np.int64)


ROWS, LABELS = payments(N, 0)
JUNE = payments(800, 1)[0]
IDS = [f"p{i}" for i in range(N)]
FRAUDS, GENUINE = np.flatnonzero(LABELS == 1), np.flatnonzero(LABELS == 0)
AGE = np.where(ROWS[:, AVERAGE] < np.quantile(ROWS[:, AVERAGE], 0.3), "under 25", "25 and over")  # they pay little
A_CENT = np.array([0.01, 0, 0, 0, 0])
CUSTOMERS = [f"c{i % 300}" for i in range(N)]


def shipped() -> np.ndarray:
    return TableAugmenter(POLICY, 7, training_table(SCHEMA, ROWS, LABELS, IDS))(ROWS, IDS)


AUGMENTED = shipped()
PAYMENTS = Augmented(
    originals=ROWS,
    augmented=AUGMENTED,
    ids=IDS,
    labels=LABELS,
    held_out=JUNE,
    classes=CLASSES,
    rules=QualityRules.load(POLICIES / "quality" / "transactions.yaml"),
    schema=SCHEMA.content(),
    subjects=CUSTOMERS,
    groups={"age": AGE.tolist()},
)
asking, checked = PAYMENTS.asking, PAYMENTS.checked


def label_noise(rows: np.ndarray) -> None:
    """A third of the frauds become what a genuine payment is."""
    rows[FRAUDS[::3]] = ROWS[GENUINE[: len(FRAUDS[::3])]] * [1.001, 1.001, 1, 1, 1]


def leaked_month(rows: np.ndarray) -> None:
    """One row in ten is a payment of June."""
    rows[::10] = JUNE[: len(rows[::10])]


def nearly_leaked_month(rows: np.ndarray) -> None:
    """One row in ten is a payment of June with a cent more."""
    rows[::10] = JUNE[: len(rows[::10])] + A_CENT


def washed_out(rows: np.ndarray) -> None:
    """All frauds are made of the same few."""
    rows[FRAUDS] = rows[np.resize(FRAUDS[:20], len(FRAUDS))]


def bias(rows: np.ndarray) -> None:
    """Frauds against the young are made of two of them; the others stay as many as they were."""
    young = FRAUDS[AGE[FRAUDS] == "under 25"]
    rows[young] = rows[np.resize(young[:2], len(young))]


def bias_by_mixing(rows: np.ndarray) -> None:
    """Genuine payments of the young become what others pay."""
    few = GENUINE[AGE[GENUINE] == "under 25"]
    many = GENUINE[AGE[GENUINE] != "under 25"]
    rows[few] = ROWS[many[: len(few)]] * [1.001, 1.001, 1, 1, 1]


def cents_lost(rows: np.ndarray) -> None:
    """Noise on money that is not rounded to cents: nothing else is other than it should be."""
    rows[:, AMOUNT] = ROWS[:, AMOUNT] * np.exp(np.random.default_rng(3).normal(0, 0.02, N))


def hours_lost(rows: np.ndarray) -> None:
    """Noise on hours, which are whole."""
    rows[:, HOUR] = ROWS[:, HOUR] + np.random.default_rng(3).uniform(-0.2, 0.2, N)


def pressed_together(rows: np.ndarray) -> None:
    """Amounts lose their spread and keep their average."""
    rows[:, AMOUNT] = np.round(ROWS[:, AMOUNT].mean() + (ROWS[:, AMOUNT] - ROWS[:, AMOUNT].mean()) * 0.3, 2)


def torn_apart(rows: np.ndarray) -> None:
    """Each amount is right, and belongs to another row."""
    rows[:, AMOUNT] = np.random.default_rng(3).permutation(ROWS[:, AMOUNT])


def others_rows(rows: np.ndarray) -> None:
    """One row in twenty is somebody else's."""
    rows[::20] = ROWS[1::20]


def near_others_rows(rows: np.ndarray) -> None:
    """Every fourth row is somebody else's with a cent more."""
    rows[::4] = ROWS[1::4] + A_CENT
