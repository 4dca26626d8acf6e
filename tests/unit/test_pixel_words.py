"""Outside `modalities/image` nothing speaks of pixels, heights, widths or channels: a sample has a shape, no more."""

from __future__ import annotations

import io
import re
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = "augment_ops/modalities/image/"
WORD = re.compile(r"(?<![a-z])(pixel|height|width|channel)s?(?![a-z])")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # of a name like PixelInput

# What these words mean elsewhere: file, words, meaning.
OTHERWISE: dict[str, tuple[set[str], str]] = {
    "augment_ops/cli/services.py": ({"width"}, "of a table's cell"),
    "augment_ops/cli/stage_progress.py": ({"width"}, "of a bar of progress"),
    "augment_ops/cli/terminal.py": ({"width"}, "of a screen"),
    "augment_ops/home/comparison.py": ({"width"}, "of a scale"),
    "augment_ops/home/drift.py": ({"height"}, "of a bar"),
    "augment_ops/home/rollouts.py": ({"height"}, "of a chart"),
    "augment_ops/modalities/tabular/columns.py": ({"width"}, "columns of a table"),
    "augment_ops/modalities/tabular/schema.py": ({"width"}, "columns of a table"),
    "augment_ops/modalities/tabular/show.py": ({"height"}, "a place in a figure"),
    "augment_ops/policy/diff.py": ({"width"}, "of a line of YAML"),
    "augment_ops/production/monitor.py": ({"channel"}, "by which people are told"),
    "augment_ops/production/next_steps.py": ({"channel"}, "by which people are told"),
    "augment_ops/report/charts.py": ({"height", "width"}, "of an SVG"),
    "augment_ops/report/plots.py": ({"height", "width"}, "of a figure"),
    "augment_ops/runtime/isolated.py": ({"channel", "width"}, "a socket; numbers in a row of scores"),
    "augment_ops/runtime/isolated_process.py": ({"channel", "width"}, "a socket; numbers in a row of scores"),
    "augment_ops/runtime/operators.py": ({"channel", "pixel"}, "names of ATen's operators"),
    "augment_ops/shown.py": ({"width"}, "of a character that shows nothing"),
    "augment_ops/stress/measures.py": ({"width"}, "of a bin"),
    "augment_ops/stress/outcomes.py": ({"width"}, "of a bin"),
    "augment_ops/stress/report.py": ({"width"}, "of a bin"),
    "augment_ops/tracking/lists.py": ({"width"}, "of a column on a page"),
    "augment_ops/training/compiled.py": ({"channel"}, "torch's name of a layout of memory"),
    "augment_ops/training/state.py": ({"channel"}, "torch's name of a layout of memory"),
    "augment_ops/training/torch_settings.py": ({"channel"}, "torch's name of a layout of memory"),
    "augment_ops/training/torch_trainer.py": ({"channel"}, "torch's name of a layout of memory"),
    "dags/alert_channels.py": ({"channel"}, "by which people are told"),
    "dags/plugins/run_report.py": ({"height", "width"}, "of a frame on a page"),
    "dags/rollout.py": ({"channel"}, "by which people are told"),
    "dags/stage_tasks.py": ({"channel"}, "by which people are told"),
    "dags/train_and_promote.py": ({"channel"}, "by which people are told"),
    "augment_ops/monitoring/drift/charts.py": ({"height", "width"}, "of a chart"),
    "augment_ops/statistics.py": ({"width"}, "of a bin"),
    "augment_ops/monitoring/drift/detectors/vectors.py": ({"width"}, "numbers in a row"),
    "augment_ops/monitoring/drift/page.py": ({"height", "width"}, "of a chart"),
    "augment_ops/monitoring/drift/rules.py": ({"channel"}, "by which people are told"),
    "augment_ops/monitoring/telemetry/alerts.py": ({"channel"}, "by which people are told"),
    "augment_ops/monitoring/telemetry/metrics.py": ({"channel"}, "by which people are told"),
}


def words_in(code: str) -> dict[str, list[int]]:
    """Each word in identifiers, strings and comments, with its lines."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        for number, line in enumerate(token.string.splitlines()):
            for match in WORD.finditer(HUMP.sub("_", line).lower()):
                found[match[1]].append(token.start[0] + number)
    return dict(found)


Found = dict[str, dict[str, list[int]]]  # by file


@pytest.fixture(scope="module")
def found() -> Found:
    return {
        path.relative_to(ROOT).as_posix(): words_in(path.read_text())
        for package in ("augment_ops", "dags")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def unexplained(found: Found, path: str) -> dict[str, list[int]]:
    allowed = OTHERWISE.get(path, (set(), ""))[0]
    return {word: lines for word, lines in found[path].items() if word not in allowed}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("class PixelInput: ...", {"pixel": [1]}),
        ("a = index['pixel_sha256']  # of the widths", {"pixel": [1], "width": [1]}),
        ('"""One\n\n1 Height × 2."""', {"height": [3]}),
        ("f'{image.height} {CHANNELS_MAX}'", {"height": [1], "channel": [1]}),
        ("heighten = widthwise = rechannel = subpixel", {}),
    ],
)
def test_names_strings_and_comments_are_read(code: str, words: dict[str, list[int]]) -> None:
    assert words_in(code) == words


def test_nothing_outside_speaks_of_pixels(found: Found) -> None:
    assert sum(bool(words) for path, words in found.items() if path.startswith(IMAGES)) > 30, "what images have is seen"
    outside = [path for path in found if not path.startswith(IMAGES)]
    assert {path: words for path in outside if (words := unexplained(found, path))} == {}


def test_no_exception_outlives_its_reason(found: Found) -> None:
    gone = {path: words - set(found.get(path, ())) for path, (words, _) in OTHERWISE.items()}
    assert {path: words for path, words in gone.items() if words} == {}
