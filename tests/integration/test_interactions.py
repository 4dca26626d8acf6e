"""A small table of interactions through a whole run: the fourth modality, whose classes are items that are ranked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json
from augment_ops.data.store import Store
from augment_ops.errors import DataError, InputError
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.outputs import StressTest
from augment_ops.settings import Settings
from augment_ops.stress.outcomes import from_bytes
from support.interactions import interactions
from support.places import POLICIES
from support.state_folder import settings_in

pytestmark = pytest.mark.slow  # a whole run, as test_tabular.py has one in the fast suite

RULES = dict.fromkeys(("gate", "suite", "quality", "drift"), "ratings")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(POLICIES, home / "policies")
    gate, suite = home / "policies/gates/ratings.yaml", home / "policies/stress/ratings.yaml"
    judged, asked = (yaml.safe_load(path.read_text()) for path in (gate, suite))
    # 36 items, so that ten of them are no test; and what so few interactions can show.
    judged["ranking"] = asked["ranking"] = {"at": 3, "bands": {"tail": 0, "head": 25}}
    judged["invariance"] |= {"block_gap": 0.5, "min_n": 100, "burden": "none", "severities": [1]}
    judged["class_recall"] |= {"min_n": 10}
    judged["control"] |= {"clean_margin": 0.2, "class_margin": 0.2, "min_gain": -0.2, "no_effect": "warn"}
    judged["unseen"]["min_gain"] = -0.2
    judged["calibration"] = None
    gate.write_text(yaml.safe_dump(judged))
    suite.write_text(yaml.safe_dump(asked))
    with settings_in(home, home / "policies") as found:
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("data") / "clicks.csv"
    interactions(150).to_csv(path, index=False)
    return {
        "dataset": str(path),
        "modality": "interactions",
        "interaction_history": 8,
        "policy": "ratings-robust",
        "epochs": 15,
        **RULES,
    }


@pytest.fixture(scope="module")
def outcome(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    return run_pipeline(asked, "clicks", quiet=True)


def test_interactions_go_through_and_the_answer_is_learnt(outcome: dict[str, Any], settings: Settings) -> None:
    assert outcome["verdict"] == "PASS", outcome["summary"]
    store = Store(settings.store)
    stress = from_json(StressTest, store.get(execute(settings, "clicks", "stress_test").output))
    assert stress.report.classes == ("tail", "head", "not among the first")
    clean = stress.report.cell("candidate", "clean", 0)
    assert clean is not None and clean.accuracy > 0.5, "by chance it is 3 of 36"
    outcomes = from_bytes(store.get(stress.report.outcomes), stress.report.outcomes)
    assert set(outcomes.columns) == {"rating", "known_interactions"}
    assert outcomes.ranked is not None and outcomes.ranked.items.max() < 36


def test_the_report_shows_histories_and_what_is_recommended(outcome: dict[str, Any], settings: Settings) -> None:
    page = Path(settings.home / "reports" / "clicks" / "report.html").read_text()
    assert "What is recommended" in page and "Recall, tail" in page
    assert '<th scope="row">popularity alone</th>' in page and '<th scope="row">item-kNN</th>' in page
    assert "recall at 3" in page and "<mark>" in page and "<img" not in page.split("What is recommended")[1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"interaction_columns": "user=users"}, "no column 'users'"),
        ({"policy": "intents-robust"}, "for samples of the modality text"),
        ({"suite": "intents"}, "stress suite intents: modality"),
    ],
)
def test_what_does_not_fit_is_refused(
    settings: Settings, asked: dict[str, Any], changes: dict[str, str], told: str
) -> None:
    with pytest.raises((DataError, InputError), match=told):
        run_pipeline({**asked, **changes}, "refused", quiet=True)
