"""`augment-ops augment`, as a shell calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from support.command_line import Call
from support.questions import questions


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A table of questions, and the words that multiply it."""
    (tmp_path / "files").mkdir()
    questions(40).to_csv(tmp_path / "files" / "in.csv", index=False)
    given, made = str(tmp_path / "files" / "in.csv"), str(tmp_path / "files" / "out.csv")
    columns = "text=question,label=intent"
    return ("augment", "--input", given, "--output", made, "--policy", "intents-robust", "--text-columns", columns)


def test_a_file_is_multiplied_and_told_of(call: Call, words: tuple[str, ...], tmp_path: Path) -> None:
    code, out, _ = call(*words, "--factor", "3")
    assert code == 0
    assert "120 texts" in out and "out.csv.manifest.json" in out
    assert len(pd.read_csv(tmp_path / "files" / "out.csv")) == 120
    code, out, _ = call(*words, "--factor", "3", "--force", "--json")
    assert (code, json.loads(out)) == (0, json.loads((tmp_path / "files" / "out.csv.manifest.json").read_text()))


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--factor", "2.5"), 2, "--factor: found '2.5'; expected a whole number"),
        (("--modality", "image"), 2, "--modality: found image; expected text"),
        (("--columns", "label=fraud"), 2, "no such parameter"),
        (("--policy", "intents-robus"), 2, "Did you mean intents-robust?"),
        (("--seed", "-1"), 2, "seed"),
        (("--environment", "staging"), 1, "policy propose intents-robust"),
        (("--environment", "nowhere"), 2, "nowhere"),
    ],
)
def test_what_is_refused_is_refused_in_four_parts_and_nothing_is_written(
    call: Call, words: tuple[str, ...], tmp_path: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = call(*words, *more, "--json")
    assert (found, said in err) == (code, True), err
    assert all(fault["fix"] for fault in json.loads(out)["faults"])
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["in.csv"]
