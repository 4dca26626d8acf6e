"""What a report is made of, with names that mean harm; and a page read back as tags and rows."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser

import numpy as np

from augment_ops.delivery.meters import DeliveryMeters
from augment_ops.gate.decision import Decision, Reason
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.report.brief import Brief
from augment_ops.report.inputs import Augmented, FlippedPair, ReportInputs
from augment_ops.stress.report import CLEAN, Cell, Measures, Slice, StressReport
from augment_ops.training.result import EpochMetrics, TrainingResult
from support.trained import training_result

HOSTILE = '<script>alert("x")</script>'
CLASSES = ("0", HOSTILE, "a & b")
AIRFLOW, MLFLOW = "http://127.0.0.1:8080/dags/a/runs/1?x=1&y=2", "http://127.0.0.1:5000/#/experiments/1/runs/2"
CORRUPTIONS = ("rotation", "noise")


class Page(HTMLParser):
    """Tags with their attributes, and the text of each table row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data

    def row_with(self, text: str) -> list[str]:
        return next([cell.strip() for cell in row] for row in self.rows if any(text in cell for cell in row))


def cells(role: str, drop: float, nan_at: tuple[str, int] | None = None) -> list[Cell]:
    made = [
        Cell(
            role=role,
            corruption=CLEAN,
            severity=0,
            n=90,
            accuracy=0.96,
            class_n=(30, 30, 30),
            class_recall=(1.0, 0.95, 0.93),
        )
    ]
    for corruption in CORRUPTIONS:
        for severity in range(1, 6):
            accuracy = math.nan if (corruption, severity) == nan_at else 0.96 - drop * severity
            recall = (accuracy, max(0.0, accuracy - 0.1), None)
            made.append(
                Cell(
                    role=role,
                    corruption=corruption,
                    severity=severity,
                    n=90,
                    accuracy=accuracy,
                    class_n=(30, 30, 0),
                    class_recall=recall,
                )
            )
    return made


def stress(nan_at: tuple[str, int] | None = None) -> StressReport:
    return StressReport(
        suite="invariances",
        suite_digest="5" * 64,
        snapshot_digest="1" * 64,
        classes=CLASSES,
        models={"candidate": "c" * 64, "control": "d" * 64, "champion": "e" * 64},
        champion_version="3",
        cells=(*cells("candidate", 0.04, nan_at), *cells("control", 0.1), *cells("champion", 0.05)),
        confusion={"candidate": ((30, 0, 0), (1, 28, 1), (2, 0, 28))},
        flipped=(),
        outcomes="6" * 64,
        probe="7" * 64,
        seen={"rotation": ("Affine",), "noise": ()},
        measures=tuple(
            Measures(
                role=role,
                corruption=CLEAN if s == 0 else "noise",
                severity=s,
                balanced_accuracy=0.9,
                class_precision=(0.9, 0.8, None),
                calibration_error=0.031,
                flip_share=0.05 * s,
            )
            for role in ("candidate", "control", "champion")
            for s in (0, 5)
        ),
        slices=tuple(
            Slice("site", group, role, 40, clean, clean - (0.3 if role == "candidate" else 0.1))
            for role in ("candidate", "control", "champion")
            for group, clean in (("north", 0.95), (HOSTILE, 0.85))
        ),
    )


def training(role: str, wall_s: float) -> TrainingResult:
    curve = tuple(
        EpochMetrics(
            epoch=e,
            train_loss=1 / e,
            train_accuracy=0.5 + e / 20,
            validation_loss=1.1 / e,
            validation_accuracy=0.5 + e / 21,
            samples_per_s=900.0,
            data_wait_share=0.1,
            wall_s=1.0,
        )
        for e in range(1, 9)
    )
    return training_result(
        role=role,
        model_digest="c" * 64,
        artifact="f" * 64,
        factory="package.module:net",
        parameters=28938,
        snapshot_digest="1" * 64,
        policy_digest="2" * 64,
        augmented_with="plan:online",
        curve=curve,
        samples_per_s=9120.0,
        delivery=DeliveryMeters(0.231, 0.08, 0.1, 0.1623, 0.2, 0.4),
        advice="23.1% of the training was spent waiting for data.",
        wall_s=wall_s,
        peak_rss_mb=612.0,
    )


BRIEF = Brief(
    dataset="digits",
    version="3",
    champion="3",
    verdict="PASS",
    summary="It passes.",
    policy="digits-robust 1.2.0, draft",
    policy_before="digits-robust 1.2.0",
    policy_changes=(),
    environment="dev",
    started_by="eve",
    because=HOSTILE,
    compared=None,
    warnings=(),
)


def reasons() -> tuple[Reason, ...]:
    return (
        Reason(
            rule="invariance",
            outcome="fail",
            message="rotation at severity 5 costs 20.0 points.",
            corruption="rotation",
            severity=5,
            class_name="0",
            measured=0.2,
            threshold=0.15,
            n=90,
        ),
        Reason(
            rule="evidence",
            outcome="error",
            message="noise 2 is not a number.",
            corruption="noise",
            severity=2,
            class_name=None,
            measured=math.nan,
            threshold=None,
            n=90,
        ),
        Reason(
            rule="class_recall",
            outcome="warn",
            message=f"Class {HOSTILE} is low.",
            corruption="noise",
            severity=4,
            class_name=HOSTILE,
            measured=0.71234567,
            threshold=0.8,
            n=1234,
        ),
        Reason(rule="budget", outcome="not-set", message="The gate sets no budget."),
        *(
            Reason(
                rule="invariance",
                outcome="pass",
                message=f"noise, severity {s}.",
                corruption="noise",
                severity=s,
                class_name=None,
                measured=0.04 * s + 0.001,
                threshold=0.15,
                n=1000 + s,
            )
            for s in range(1, 6)
        ),
    )


def inputs(**changes: object) -> ReportInputs:
    pixels = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8, 1)
    checks = (
        CheckResult(
            name="blank",
            status="warn",
            measured=0.0123,
            unit="share",
            warn_at=0.01,
            fail_at=0.05,
            message=f"Blank: {HOSTILE}",
            samples=("s1", HOSTILE),
        ),
        CheckResult(
            name="balance",
            status="fail",
            measured=math.nan,
            unit="ratio",
            warn_at=None,
            fail_at=20.0,
            message="Could not be measured.",
        ),
    )
    base = ReportInputs(
        run_id="run-1",
        dataset="digits",
        created="2026-05-04 09:17 UTC",
        decision=Decision("FAIL", "default 1.0.0", "a" * 64, "b" * 64, reasons(), "It fails. Nothing is promoted."),
        data_quality=QualityReport("check_data", "1" * 64, "9" * 64, checks),
        augmented_quality=None,
        candidate=training("candidate", 75.0),
        control=training("control", 50.0),
        stress=stress(),
        snapshot={
            "digest": "1" * 64,
            "uri": "digits",
            "classes": CLASSES,
            "image_shape": (8, 8, 1),
            "counts": {"train": {"0": 900, HOSTILE: 634}},
            "samples": 1534,
        },
        policy={
            "name": "digits-robust",
            "version": "1.2.0",
            "digest": "2" * 64,
            "description": "Tilt.",
            "limitations": [f"not for {HOSTILE}"],
            "budget": {"p95_ms": 0.5, "at": [8, 8, 1]},
            "text": f"name: digits-robust  # {HOSTILE}\n",
            "narrowed": ["transforms[0].TrivialAugment: Rotate narrowed from ±135° to ±45°"],
        },
        drift={
            "status": "drift",
            "message": "Drift in mean.",
            "features": [
                {
                    "name": "mean",
                    "status": "drift",
                    "detector": "psi",
                    "effect": 0.4321,
                    "p_value": 1e-12,
                    "n_window": 450,
                    "n_reference": 1534,
                    "message": "mean moved.",
                }
            ],
            "not_measured": ["class-mix: the window has no labels"],
        },
        run={"started by": HOSTILE},
        measured={"Orchestration overhead, s": 31.25},
        lineage={"snapshot": "1" * 64},
        augmented=Augmented(pixels, np.stack([pixels, 255 - pixels], axis=1), CLASSES),
        failing=(
            FlippedPair(
                corruption="rotation",
                severity=5,
                sample_id=HOSTILE,
                label="0",
                predicted=HOSTILE,
                clean=pixels[0],
                stressed=pixels[1],
            ),
        ),
        airflow_url=AIRFLOW,
        mlflow_url=MLFLOW,
    )
    return dataclasses.replace(base, **changes)
