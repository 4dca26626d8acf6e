"""The README's picture: what a policy buys, corruption by corruption, of a run that was made here.

    augment-ops run --dataset digits --policy digits-robust
    python benchmarks/why.py RUN

Writes docs/images/why.png: a held-out sample at each severity, and below it the accuracy of candidate and control on
all of them, with 95% intervals (Wilson) at each point. The four corruptions are those that the policy gains most on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augment_ops.data.snapshot import Snapshot
from augment_ops.modalities.image.corruptions import apply
from augment_ops.pipeline.run import report_path
from augment_ops.settings import Settings
from augment_ops.statistics import wilson
from augment_ops.workspace import open_store

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "why.png"
SHOWN, SEVERITIES, CONFIDENCE = 4, range(6), 0.95
ROLES = {"candidate": ("with the policy", "#0b6e4f"), "control": ("without augmentation", "#b23a48")}


def main(run_id: str) -> None:
    settings = Settings.from_environment()
    report = json.loads(report_path(settings.home, run_id).with_name("report.json").read_text())
    cells = {
        (cell["role"], "clean" if cell["severity"] == 0 else cell["corruption"], cell["severity"]): cell
        for cell in report["stress"]["cells"]
    }
    sample, name = _sample(Snapshot.open(open_store(settings), report["snapshot"]["digest"]))
    figure = Figure(figsize=(10, 3.3), dpi=110, layout="constrained")
    rows = figure.subplots(2, SHOWN, height_ratios=[1, 3.2], sharey="row")
    for place, corruption in enumerate(_gained_most(cells)):
        _strip(rows[0, place], corruption, sample, name)
        _curves(rows[1, place], corruption, cells)
    rows[1, 0].set_ylabel("accuracy, %")
    rows[1, 0].legend(frameon=False, fontsize=9, loc="lower left")
    figure.savefig(PICTURE, pil_kwargs={"optimize": True})


def _sample(snapshot: Snapshot) -> tuple[np.ndarray, str]:
    test = snapshot.split("test")
    return test.take([0]), str(test.ids[0])


def _gained_most(cells: dict) -> list[str]:
    def gain(corruption: str) -> float:
        candidate, control = ([cells[role, corruption, s]["accuracy"] for s in SEVERITIES[1:]] for role in ROLES)
        return float(np.mean(candidate) - np.mean(control))

    return sorted({corruption for _, corruption, severity in cells if severity}, key=gain, reverse=True)[:SHOWN]


def _strip(axes: Axes, corruption: str, sample: np.ndarray, name: str) -> None:
    shown = [sample[0], *(apply(corruption, severity, sample, [name])[0] for severity in SEVERITIES[1:])]
    gap = np.full((sample.shape[1], 2, sample.shape[3]), 255, np.uint8)
    strip = np.concatenate([part for image in shown for part in (image, gap)][:-1], axis=1)
    axes.imshow(strip[..., 0] if strip.shape[2] == 1 else strip, cmap="gray", vmin=0, vmax=255)
    axes.set_title(corruption.replace("_", " "), fontsize=11)
    axes.axis("off")


def _curves(axes: Axes, corruption: str, cells: dict) -> None:
    for role, (label, colour) in ROLES.items():
        of = [cells[role, corruption if severity else "clean", severity] for severity in SEVERITIES]
        accuracy = np.array([cell["accuracy"] for cell in of])
        spread = np.array([wilson(cell["accuracy"] * cell["n"], cell["n"], CONFIDENCE) for cell in of])
        axes.fill_between(SEVERITIES, 100 * spread[:, 0], 100 * spread[:, 1], color=colour, alpha=0.18, linewidth=0)
        axes.plot(SEVERITIES, 100 * accuracy, color=colour, marker="o", markersize=4, label=label)
    axes.set_xlabel("severity (0: untouched)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main(sys.argv[1])
