"""What a benchmark of many trainings keeps: each seed that is done, beside its like alone."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.questions import questions

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "intents.py"
SHIPPED = SCRIPT.with_name("intents.json")


@pytest.fixture
def intents(tmp_path: Path) -> SimpleNamespace:
    """`run(seeds)` of `effect` on a file of results of its own, as shipped; `trained` holds the seeds of its trainings.

    A training is a number here: banking77's take minutes, and what is kept of them is the same.
    """
    table = questions(80).rename(columns={"question": "text", "intent": "category"})
    for part in ("train", "test"):
        table.to_csv(tmp_path / f"{part}.csv", index=False)
    spec = spec_from_file_location("intents", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def train(snapshot: Any, seed: int, *, augmented: bool) -> None:
        if seed == found.killed_at:
            raise KeyboardInterrupt
        found.trained.append(seed)

    found = SimpleNamespace(
        run=lambda seeds: module.main("effect", str(tmp_path), seeds),
        module=module, results=tmp_path / "intents.json", trained=[], killed_at=0,
    )  # fmt: skip
    found.results.write_bytes(SHIPPED.read_bytes())
    module.RESULTS, module.MACHINE = found.results, json.loads(SHIPPED.read_text())["effect"]["machine"]
    module.trained, module.measured = train, lambda snapshot, artifact: {"clean": 0.5, "tail": 0.25}
    return found


def test_what_is_shipped_counts_its_seeds_and_stays(intents: SimpleNamespace) -> None:
    for one in ("effect", "out_of_scope"):
        kept = json.loads(SHIPPED.read_text())[one]
        lengths = {len(values) for role in ("candidate", "control") for values in kept[role].values()}
        assert lengths == {kept["seeds"]}
    intents.run(3)  # of five
    assert intents.trained == []
    assert intents.results.read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize("other", [{"EPOCHS": 2}, {"MACHINE": "96 cores"}], ids=["epochs", "machine"])
def test_seeds_of_other_epochs_or_another_machine_are_trained_again(
    intents: SimpleNamespace, other: dict[str, Any]
) -> None:
    for name, value in other.items():
        setattr(intents.module, name, value)
    intents.run(1)
    kept = json.loads(intents.results.read_text())
    assert intents.trained == [7, 7]
    assert (kept["effect"]["seeds"], kept["effect"]["candidate"]) == (1, {"clean": [0.5], "tail": [0.25]})
    assert kept["effect"]["epochs"] == intents.module.EPOCHS
    assert kept["effect"]["machine"] == intents.module.MACHINE
    assert kept["out_of_scope"] == json.loads(SHIPPED.read_text())["out_of_scope"]


def test_a_run_that_is_killed_keeps_the_seeds_that_are_done(intents: SimpleNamespace) -> None:
    intents.results.unlink()
    intents.killed_at = 9
    with pytest.raises(KeyboardInterrupt):
        intents.run(4)
    assert json.loads(intents.results.read_text())["effect"]["seeds"] == 2
    intents.killed_at = 0
    intents.run(4)
    assert intents.trained == [7, 7, 8, 8, 9, 9, 10, 10]
    assert json.loads(intents.results.read_text())["effect"]["control"] == {"clean": [0.5] * 4, "tail": [0.25] * 4}
