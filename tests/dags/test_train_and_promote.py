"""The DAG is parsed as Airflow would, in a process of its own, and held against the pipeline's graph."""

from __future__ import annotations

import ast
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment_ops.modalities import NAMES
from augment_ops.pipeline.graph import GROUPS, STAGES, edges
from augment_ops.pipeline.parameters import RunParams, parameters

sys.path.insert(0, str(Path(__file__).parents[2] / "dags"))
from task_guide import TASKS

from support.apart import run_apart

ROOT = Path(__file__).parents[2]

DATA_SETS = ("photos", "street signs")
DOCS, MLFLOW = "https://docs.example.org/augment-ops", "http://127.0.0.1:5099"

_PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
dag = bag.dags["train_and_promote"]
heavy = {"torch", "mlflow", "albumentations", "monitoring", "sklearn", "pandas", "evidently", "cv2"}
print("RESULT" + json.dumps({
    "dags": sorted(bag.dags),
    "errors": bag.import_errors,
    "edges": sorted([a.task_id, b] for a in dag.tasks for b in a.downstream_task_ids),
    "upstream": {t.task_id: sorted(t.get_flat_relative_ids(upstream=True)) for t in dag.tasks},
    "groups": {t.task_id: [t.task_group.group_id, t.task_group.tooltip] for t in dag.tasks},
    "rules": {t.task_id: t.trigger_rule.value for t in dag.tasks if t.trigger_rule.value != "all_success"},
    "operators": {t.task_id: [type(t).__name__, t.retries] for t in dag.tasks},
    "steps": {t.task_id: [t.answer_of, t.skip_unless] for t in dag.tasks if t.task_id != "ask_approval"},
    "params": {name: dag.params.get_param(name).value for name in dag.params},
    "schemas": {name: dag.params.get_param(name).schema for name in dag.params},
    "descriptions": {name: dag.params.get_param(name).description for name in dag.params},
    "asked": [
        [task.params.validate(), {name: [field["value"], field["schema"]["type"]]
                                  for name, field in task.serialized_params.items()}]
        for task in (dag.get_task("ask_approval"), bag.dags["approve_policy"].get_task("ask"))
    ],
    "monitor": {
        "edges": sorted([a.task_id, b] for a in bag.dags["drift_monitor"].tasks for b in a.downstream_task_ids),
        "retrain": bag.dags["drift_monitor"].get_task("retrain").trigger_dag_id,
        "rules": {t.task_id: t.trigger_rule.value for t in bag.dags["drift_monitor"].tasks},
        "max_active_runs": bag.dags["drift_monitor"].max_active_runs,
        "params": list(bag.dags["drift_monitor"].params),
    },
    "docs": {name: [one.doc_md, {task.task_id: task.doc_md for task in one.tasks}] for name, one in bag.dags.items()},
    "heavy": sorted(heavy & {m.split(".")[0] for m in sys.modules}),
    "ours": sorted(m for m in sys.modules if m.split(".")[0] == "augment_ops"),
}))
"""


_MORE = """
import json, sys
from dataclasses import dataclass
from typing import Annotated, Literal
sys.path.insert(0, sys.argv[1])
from airflow.sdk import DAG
from augment_ops.pipeline.graph import STAGES, Stage
from augment_ops.pipeline.parameters import TRAINING, About, RunParams, parameters
from run_form import form
from train_and_promote import wire

@dataclass(frozen=True, kw_only=True)
class OneMore(RunParams):
    schedule: Annotated[
        Literal["constant", "cosine"],
        About(title="Schedule", section=TRAINING, help="Of the rate.", displays={"cosine": "cosine: it falls"}),
    ] = "constant"
    notes: Annotated[str, About(title="Notes", section=TRAINING, help="For people.", max_length=80)] = ""

added = Stage(name="calibrate", group="evaluation", inputs=("stress_test", "train_candidate"))
with DAG(dag_id="more") as dag:
    wire((*STAGES, added))
fields = {name: field for name, field in form(parameters(OneMore)).items() if name not in RunParams().__dict__}
task = dag.get_task("calibrate")
print("RESULT" + json.dumps({
    "calibrate": [sorted(task.upstream_task_ids), task.task_group.group_id, type(task).__name__],
    "fields": {name: [field.value, field.description, field.schema] for name, field in fields.items()},
}))
"""


_FAIL = """
import json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from airflow.sdk.exceptions import AirflowFailException
from augment_ops import errors
from stage_tasks import StageOperator

def raising(error):
    def execute(context):
        raise error
    return execute

final = []
for cls in (errors.CheckRefused, errors.GovernanceError, errors.PolicyError, errors.TrainingError, errors.TrackingError,
            errors.StoreError):
    task = StageOperator(stage="train_candidate")
    task._execute = raising(cls("here", "this", "that", "mend it"))
    try:
        task.execute({})
    except AirflowFailException as error:
        assert "Fix: mend it" in str(error)
        final.append(cls.__name__)
    except errors.AugmentOpsError:
        pass

for conf in ({"environment": "prodution"}, {"environment": "production", "approval": "auto"}):
    run = SimpleNamespace(dag_id="train_and_promote", run_id="r1", conf=conf, triggering_user_name="ada")
    try:
        StageOperator(stage="ingest").execute({"dag_run": run, "params": {}})
    except AirflowFailException:
        pass
from augment_ops.workspace import Workspace
from augment_ops.settings import Settings
entries = Workspace(Settings.from_environment(), "reader").ledger.read()
entered = [(entry.act, entry.actor, entry.reason) for entry in entries]
print("RESULT" + json.dumps({"final": final, "entered": entered}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("airflow")
    for name in (*DATA_SETS, ".hidden"):
        (home / "datasets" / name).mkdir(parents=True)
    environment = {
        **os.environ,
        "AUGMENT_OPS_HOME": str(home),
        "AUGMENT_OPS_DOCS": DOCS,
        "MLFLOW_TRACKING_URI": MLFLOW,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    }
    return run_airflow(_PARSE, environment)


def run_airflow(code: str, environment: dict[str, str]) -> Any:
    """What `code` finds, which is given the folder of the DAGs and works in it."""
    return run_apart(code, environment, ROOT / "dags", str(ROOT / "dags"))[0]


def test_every_file_of_dags_parses(parsed: dict) -> None:
    assert parsed["errors"] == {}
    assert parsed["dags"] == ["approve_policy", "drift_monitor", "rollout", "train_and_promote"]


def test_parsing_imports_neither_the_project_nor_anything_heavy(parsed: dict) -> None:
    # pandas and friends may come with Airflow's own serialisers; what costs seconds must not.
    assert parsed["heavy"] == []
    light = (
        "errors", "modalities", "parameter", "pipeline", "pipeline.graph", "pipeline.parameters", "project", "shipped",
        "training",
    )  # fmt: skip
    of_modalities = [f"modalities.{name}{part}" for name in NAMES for part in ("", ".run_parameters")]
    declared = {"augment_ops", *(f"augment_ops.{name}" for name in (*light, *of_modalities))}
    assert parsed["ours"] == sorted(declared)  # which import the standard library alone


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.stem)
def test_at_the_top_of_a_file_stand_the_standard_library_airflow_and_the_declarations(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    froms = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    names = froms | {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    allowed = {*sys.stdlib_module_names, "airflow", *(other.stem for other in (ROOT / "dags").glob("*.py"))}
    declared = {f"augment_ops.{name}" for name in ("parameter", "pipeline.graph", "pipeline.parameters", "project")}
    assert {name for name in names if name.partition(".")[0] not in allowed} <= declared


def test_tasks_are_the_stages_and_the_question(parsed: dict) -> None:
    assert sorted(parsed["groups"]) == sorted([*(stage.name for stage in STAGES), "ask_approval"])


def test_tasks_stand_below_the_headings_of_their_stages(parsed: dict) -> None:
    wanted = {stage.name: [stage.group, GROUPS[stage.group]] for stage in STAGES if stage.group}
    question = parsed["groups"].pop("ask_approval")
    assert question == wanted["approve"]
    assert parsed["groups"] == wanted | {"report": [None, ""]}


def test_what_sets_a_task_apart(parsed: dict) -> None:
    skipped = "none_failed"  # before it is no failure
    assert parsed["rules"] == {"approve": skipped, "promote": skipped, "report": skipped}
    others = {name: step for name, step in parsed["steps"].items() if step != [None, None]}
    assert others == {"approve": ["ask_approval", "approved"], "promote": [None, "passed"]}
    plain = {name: ["StageOperator", 3] for name in parsed["steps"]}
    asking = {"ask_approval": ["AskForApproval", 0], "report": ["ReportOperator", 3]}
    assert parsed["operators"] == plain | asking


def test_every_dag_and_task_explains_itself_and_its_links_lead_somewhere(parsed: dict) -> None:
    docs = parsed["docs"]
    texts = [text for whole, tasks in docs.values() for text in (whole, *tasks.values())]
    own = {name: set(tasks) for name, (_, tasks) in docs.items()}
    assert {name: set(tasks) for name, tasks in TASKS.items()} == own  # nothing falls back to a line that says nothing
    assert len({text.partition("\n\n[")[0] for text in texts}) == len(texts)
    for text in texts:
        links = dict(re.findall(r"\[([^]]+)\]\(([^)]+)\)", text))
        assert links.pop("MLflow") == MLFLOW
        assert links
        for name, address in links.items():
            page = ROOT / "docs" / address.removeprefix(f"{DOCS}/").partition("#")[0]
            assert (name, page.is_file()) == (f"docs/{page.name}", True)


def test_without_addresses_a_guide_names_its_pages_and_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGMENT_OPS_DOCS", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ada:secret@mlflow.example.org")
    text = TASKS["train_and_promote"]["ingest"].markdown
    assert "`docs/your-own-data.md` · `docs/pipeline.md` (what-would-stop-a-run)" in text
    assert "secret" not in text


def test_a_question_demands_a_reason_of_who_answers_and_not_of_who_asks(parsed: dict) -> None:
    """Airflow validates a task's params before it runs, when nobody has answered; its form asks by the schema."""
    assert parsed["asked"] == [[{"reason": None}, {"reason": [None, "string"]}]] * 2


def test_every_stage_that_one_comes_after_runs_before_it(parsed: dict) -> None:
    late = {stage.name: sorted(set(stage.comes_after) - set(parsed["upstream"][stage.name])) for stage in STAGES}
    assert {name: others for name, others in late.items() if others} == {}
    assert {tuple(edge) for edge in parsed["edges"] if "ask_approval" not in edge} == set(edges())


def test_a_stage_and_a_parameter_are_added_by_their_declaration_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "AUGMENT_OPS_HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)}
    more = run_airflow(_MORE, environment)
    assert more["calibrate"] == [["stress_test"], "evaluation", "StageOperator"]
    choice, text = more["fields"]["schedule"], more["fields"]["notes"]
    assert choice[:2] == ["constant", "Of the rate."]
    assert choice[2] == {
        "type": "string",
        "title": "Schedule",
        "section": "Training",
        "enum": ["constant", "cosine"],
        "values_display": {"cosine": "cosine: it falls"},
    }
    assert text[2] == {"type": ["string", "null"], "title": "Notes", "section": "Training", "maxLength": 80}


def test_edges_are_exactly_these(parsed: dict) -> None:
    assert parsed["edges"] == sorted(
        [
            ["ingest", "check_data"],
            ["check_data", "resolve_policy"],
            ["check_data", "check_drift"],
            ["resolve_policy", "augment"],
            ["augment", "check_augmented"],
            ["check_augmented", "train_candidate"],
            ["check_augmented", "train_control"],
            ["train_candidate", "stress_test"],
            ["train_control", "stress_test"],
            ["stress_test", "decide"],
            ["check_drift", "decide"],
            ["decide", "prepare_report"],
            ["prepare_report", "ask_approval"],
            ["prepare_report", "approve"],
            ["ask_approval", "approve"],
            ["approve", "promote"],
            ["promote", "report"],
        ]
    )


def test_the_form_asks_exactly_for_the_parameters_of_a_run(parsed: dict) -> None:
    assert parsed["params"] == asdict(RunParams()) | {"dataset": None}  # empty, so that its list is offered whole
    assert RunParams().dataset in parsed["descriptions"]["dataset"]


def test_what_everybody_decides_stands_in_the_section_that_is_open_and_the_data_set_first(parsed: dict) -> None:
    sections = [schema["section"] for schema in parsed["schemas"].values()]
    assert sections[:7] == ["Run Parameters"] * 7
    assert "Run Parameters" not in sections[7:]
    assert next(iter(parsed["schemas"])) == "dataset"
    assert {"policy", "environment", "approval", "gate", "suite"} < set(list(parsed["schemas"])[:7])


@pytest.mark.parametrize(("field", "folder"), [("gate", "gates"), ("suite", "stress"), ("quality", "quality")])
def test_a_dropdown_says_what_each_file_is_for(parsed: dict, field: str, folder: str) -> None:
    shown = parsed["schemas"][field]["values_display"]
    for path in (ROOT / "policies" / folder).glob("*.yaml"):
        told = yaml.safe_load(path.read_text())
        suite = f" (suite {told['suite']})" if "suite" in told else ""
        assert shown[path.stem] == f"{path.stem}{suite}: {told['description']}"


def test_files_that_cannot_be_read_or_tell_at_length_leave_the_form_standing(tmp_path: Path) -> None:
    files = {
        "long": "name: long\ndescription: >\n  Of two\n  lines.\nsuite: 'a: b'\nrules:\n  description: inner\n",
        "broken": "description: [\n",
        "silent": "name: silent\n",
        "bare": "description\nsuite: [a]\n",
    }
    (tmp_path / "gates").mkdir()
    for name, text in files.items():
        (tmp_path / "gates" / f"{name}.yaml").write_text(text)
    (tmp_path / "gates" / "binary.yaml").write_bytes(b"\xff\xfe")
    code = """
import json, sys
sys.path.insert(0, sys.argv[1])
from run_form import displays
print("RESULT" + json.dumps(displays("gates")))
"""
    shown = run_airflow(code, {**os.environ, "AUGMENT_OPS_POLICIES": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)})
    assert shown == {
        "bare": "bare (suite ['a'])",
        "binary": "binary",
        "broken": "broken",
        "long": "long (suite a: b): Of two lines.",
        "silent": "silent",
    }


@pytest.mark.parametrize("name", ["policy", "delivery", "environment", "approval", "gate", "suite"])
def test_choices_are_dropdowns(parsed: dict, name: str) -> None:
    assert parsed["params"][name] in parsed["schemas"][name]["enum"]


def test_data_sets_of_the_state_folder_are_proposed_and_others_can_be_typed(parsed: dict) -> None:
    schema = parsed["schemas"]["dataset"]
    first, *others = schema["examples"]
    assert (first, [Path(path).name for path in others]) == ("digits", list(DATA_SETS))
    assert all(Path(path).is_absolute() for path in others)  # a task's working folder is not the user's
    assert "enum" not in schema


def test_the_form_has_sections_titles_and_descriptions(parsed: dict) -> None:
    schemas = parsed["schemas"]
    sections = ["Run Parameters", "Data in detail", "Training", "Quality and drift"]
    assert {schema["section"] for schema in schemas.values()} == set(sections)
    assert all(schema["title"] for schema in schemas.values())
    assert all(parsed["descriptions"][one.name].endswith(one.help) for one in parameters())


def test_the_form_says_what_each_environment_asks_of_a_policy(parsed: dict) -> None:
    """As the shipped rules have it: the form's default policy is a draft, which ends in staging."""
    words = {"draft": "any policy file", "proposed": "that was proposed", "approved": "that was approved"}
    shipped = yaml.safe_load((ROOT / "policies" / "environments.yaml").read_text())["environments"]
    told = parsed["descriptions"]["environment"].partition("As shipped, ")[2].split("; ")
    assert [line.split()[0] for line in told] == list(shipped)
    for line, demands in zip(told, shipped.values(), strict=True):
        assert words[demands["policy"]["state"]] in line
    assert "staging and production ask for more" in parsed["descriptions"]["policy"]


def test_an_emptied_field_can_be_sent_where_empty_is_a_value(parsed: dict) -> None:
    optional = {name for name, schema in parsed["schemas"].items() if schema["type"] == ["string", "null"]}
    assert optional == {
        "columns", "dataset", "dataset_name", "image_size", "interaction_columns", "model", "production_window",
        "text_columns", "trainer",
    }  # fmt: skip


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = str(tmp_path_factory.mktemp("failed"))
    return run_airflow(_FAIL, {**os.environ, "AIRFLOW_HOME": home, "AUGMENT_OPS_HOME": home, "PYTHONPATH": str(ROOT)})


def test_what_would_fail_again_is_not_tried_again(failed: dict) -> None:
    assert failed["final"] == ["CheckRefused", "GovernanceError", "PolicyError", "TrainingError"]


def test_a_run_that_is_refused_is_entered_under_who_triggered_it(failed: dict) -> None:
    ((act, actor, reason),) = failed["entered"]  # the mistyped environment is no act
    assert (act, actor) == ("refuse", "ada")
    assert "approval for environment production: 'auto'" in reason


def test_policies_in_the_dropdown_are_those_of_the_library(parsed: dict) -> None:
    assert parsed["schemas"]["policy"]["enum"] == sorted(p.stem for p in (ROOT / "policies" / "augment").glob("*.yaml"))


def test_the_monitor_watches_and_then_starts_trainings(parsed: dict) -> None:
    monitor = parsed["monitor"]
    # A data set that cannot be watched fails `faults`, and not the trainings of the others.
    assert monitor["edges"] == [["watch", "faults"], ["watch", "retrain"]]
    assert monitor["rules"] == {"watch": "all_success", "retrain": "all_done", "faults": "all_success"}
    assert monitor["retrain"] == "train_and_promote"
    assert monitor["max_active_runs"] == 1
    assert monitor["params"] == ["dataset", "rules", "until"]
