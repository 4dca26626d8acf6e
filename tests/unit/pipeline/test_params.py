from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pytest
import typer

from augment_ops.cli import runs
from augment_ops.cli.run_options import with_options, written
from augment_ops.content import digest_of
from augment_ops.errors import InputError
from augment_ops.modalities import NAMES, run_parameters
from augment_ops.names import LONGEST_DATASET
from augment_ops.parameter import DATA, TRAINING, About, declared_in
from augment_ops.pipeline import parameters as pipeline_parameters
from augment_ops.pipeline import params as pipeline_params
from augment_ops.pipeline.parameters import RunParams, parameters
from augment_ops.pipeline.params import given, parse_params


@dataclass(frozen=True, kw_only=True)
class OneMore(RunParams):
    """The parameters and one that is declared in addition."""

    warmup_steps: Annotated[
        int, About(title="Warm-up", section=TRAINING, help="Steps before the full rate.", minimum=0, maximum=500)
    ] = 20


def test_the_defaults_are_a_run():
    params = parse_params({})
    assert (params.dataset, params.policy, params.delivery, params.approval) == (
        "digits",
        "digits-robust",
        "online",
        "auto",
    )
    assert parse_params(asdict(params)) == params


def test_an_empty_field_is_the_default_where_a_list_is_offered_and_the_empty_text_elsewhere():
    fields = {"dataset": None, "model": None, "seed": 9, "polcy": None}
    assert given(fields) == {"model": "", "seed": 9, "polcy": ""}  # the mistyped key is left for the check to find
    assert parse_params(given({"dataset": None})).dataset == "digits"


def test_all_faults_come_at_once_with_the_nearest_name():
    with pytest.raises(InputError, match="run parameters: 6 faults") as caught:
        parse_params(
            {
                "polcy": "x",
                "seed": -1,
                "epochs": "5",
                "delivery": "offlin",
                "dataset_name": "Not Kebab",
                "batch_size": True,
            }
        )
    said = str(caught.value)
    assert {fault.where for fault in caught.value.faults} == {
        "polcy",
        "seed",
        "epochs",
        "delivery",
        "dataset_name",
        "batch_size",
    }
    assert "Did you mean policy?" in said
    assert "epochs: found '5'; expected input should be a valid integer" in said
    assert "delivery: found 'offlin'; expected one of online, nearline, offline, device, auto" in said
    assert "Did you mean offline?" in said
    assert "dataset_name: found 'Not Kebab'; expected kebab-case" in said
    assert "^" not in said  # nobody is shown a regular expression
    assert said.count("numbers have no quotes") == 2  # of the two that are numbers, and of no name


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("seed", [0, 2**63 - 1], [-1, 2**63, 1.0, True, "7", None]),
        ("epochs", [0, 10_000], [-1, 10_001, 1.5, False]),
        ("batch_size", [2, 65_536], [1, 0, 65_537]),
        ("workers", [0, 64], [-1, 65, "1"]),
        ("max_samples", [0, 10**9], [-1]),
        (
            "image_size",
            ["", "8x8", "32x48", "9999x1"],
            ["0x8", "8x0", "8", "8x", "x8", "8X8", "8x8x3", "-8x8", "10000x8", "8x8\n"],
        ),
        ("dataset_name", ["", "a", "a-1"], ["A", "a_b", "-a", "a-", "a b", "a\n"]),
        ("dataset", ["s3://bucket/x y"], ["", "x" * 201, 3]),
        ("environment", ["dev", "staging", "production"], ["prod", ""]),
        ("approval", ["auto", "ml-lead"], ["", "none"]),
        ("channels", ["auto", "1", "3", "as-is"], ["", "2", 3]),
        ("allow_outside", [True, False], ["yes", 1, None]),
    ],
)
def test_values_and_their_bounds(name, good, bad):
    for value in good:
        assert getattr(parse_params({name: value}), name) == value
    for value in bad:
        with pytest.raises(InputError, match=f"{name}: found"):
            parse_params({name: value})


def options_of(command: Any) -> dict[str, Any]:
    app = typer.Typer()
    app.command("run")(command)
    return {option.name: option for option in typer.main.get_command(app).params}


def test_every_parameter_is_an_option_of_the_command_line_with_the_same_default():
    app = typer.Typer()
    runs.register(app)
    options = {option.name: option.default for option in typer.main.get_command(app).commands["run"].params}
    own = {name: options.pop(name) for name in ("run_id", "dry_run", "one_by_one", "as_json")}
    assert own == {"run_id": "", "dry_run": False, "one_by_one": False, "as_json": False}
    assert options == asdict(RunParams())


def test_options_say_what_the_declaration_says_and_flags_take_no_value():
    options = options_of(with_options(runs.run))
    for one in parameters():
        assert options[one.name].help == f"{one.help} ({' | '.join(one.choices)})" if one.choices else one.help
    flag = options["allow_outside"]
    assert (flag.is_flag, flag.opts, flag.secondary_opts) == (True, ["--allow-outside"], [])


def test_what_nobody_wrote_is_not_given():
    """It would override what the run that is gone on with was asked, or count as asked for."""
    given: list[dict[str, Any]] = []

    def command(context: typer.Context, run_id: str = "") -> None:
        given.append({"run_id": run_id, **written(context)})

    app = typer.Typer()
    app.command()(with_options(command))
    line = typer.main.get_command(app)
    line(["--run-id", "r", "--seed", "7", "--allow-outside"], standalone_mode=False)
    line([], standalone_mode=False)
    assert given == [{"run_id": "r", "seed": 7, "allow_outside": True}, {"run_id": ""}]


def test_a_parameter_is_added_by_its_declaration_alone():
    assert [one.name for one in parameters(OneMore)] == [*(one.name for one in parameters()), "warmup_steps"]
    option = options_of(with_options(runs.run, OneMore))["warmup_steps"]
    assert (option.opts, option.default, option.help) == (["--warmup-steps"], 20, "Steps before the full rate.")
    assert parse_params({"warmup_steps": 30}, OneMore) == OneMore(warmup_steps=30)
    with pytest.raises(InputError, match="warmup_steps: found 501; expected input should be less than or equal to 500"):
        parse_params({"warmup_steps": 501}, OneMore)
    with pytest.raises(InputError, match=r"Did you mean warmup_steps\?"):
        parse_params({"warmup_step": 1}, OneMore)


def test_what_is_recorded_of_the_defaults_is_what_was_always_recorded():
    """Runs and keys of stages hang on it: a new parameter changes it, a new way to declare one does not."""
    recorded = asdict(RunParams())
    added = ("modality", "columns", "trainer", "device", "class_weight", "recipe", "threads")
    later = {name: recorded.pop(name) for name in (*added, "text_columns", "text_bytes")}
    of_interactions = [recorded.pop(f"interaction_{name}") for name in ("columns", "history", "split")]
    assert of_interactions == ["", 32, "time"]
    # A record from before them is of these.
    assert list(later.values()) == ["image", "", "auto", "auto", "none", "default", 0, "", 512]
    recorded["model"] = recorded["model"] or "augment_ops.training.models:small_cnn"
    assert digest_of(recorded) == "df6c2b4bf28e0c627d6f51ee78234761fcea95771b33268d530a60d6586275b7"
    assert type(parse_params({"cache_gib": 4}).cache_gib) is float  # 4 and 4.0 are two documents


def test_names_of_data_sets_are_as_long_as_everything_that_is_named_after_them_takes():
    assert {one.name: one.max_length for one in parameters()}["dataset_name"] == LONGEST_DATASET


def test_keys_that_are_no_names_are_refused():
    with pytest.raises(InputError, match="1: found"):
        parse_params({1: 2})


@pytest.mark.parametrize(
    ("n", "asked", "epochs"),
    [(54_000, 0, 8), (1_169, 0, 40), (21_600, 0, 20), (10**9, 0, 8), (0, 0, 40), (54_000, 3, 3)],
)
def test_epochs_follow_the_size_of_the_data_set(n, asked, epochs):
    assert RunParams(epochs=asked).epochs_for(n) == epochs


@dataclass(frozen=True, kw_only=True)
class TableParameters:
    """What a second modality would declare."""

    columns: Annotated[str, About(title="Columns", section=DATA, help="Their roles.", after="image_size")] = ""


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> type[RunParams]:
    """The parameters of a run where the second modality is `table`."""
    known = run_parameters
    names = ("image", "table")
    for module in (pipeline_parameters, pipeline_params):
        monkeypatch.setattr(module, "NAMES", names)
        monkeypatch.setattr(
            module, "run_parameters", lambda name: declared_in(TableParameters) if name == "table" else known(name)
        )
    of_modalities = {one.name for name in NAMES for one in known(name)}
    fields = {one.name: one.declaration for one in parameters() if one.name not in of_modalities}
    bare = type("Bare", (), {"__annotations__": fields, **{name: getattr(RunParams(), name) for name in fields}})
    bare.__annotations__["modality"] = Annotated[str, About(title="Modality", section=DATA, help="", one_of=names)]
    bare.asked = RunParams.asked  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(pipeline_parameters._with_those_of_modalities(bare))


def test_what_only_one_modality_has_is_declared_there_and_listed_where_it_belongs(declared: type[RunParams]) -> None:
    names = [one.name for one in parameters(declared)]
    place = names.index("image_size")
    assert names[place - 1 : place + 6] == [
        "dataset_name", "image_size", "columns", "channels", "allow_outside", "keep", "max_samples",
    ]  # fmt: skip
    table = parse_params({"modality": "table", "columns": "label=fraud"}, declared)
    assert (table.asked(), RunParams(channels="3").asked(storage=False)) == (
        {"columns": "label=fraud"},
        {"image_size": "", "channels": "3"},
    )
    assert options_of(with_options(runs.run, declared))["columns"].help == "Their roles."


def test_what_only_another_modality_has_is_refused_where_it_asks_for_something(declared: type[RunParams]) -> None:
    assert parse_params({"modality": "table", "image_size": "", "keep": "pixels"}, declared).modality == "table"
    with pytest.raises(InputError, match="run parameters: 2 faults") as caught:
        parse_params({"modality": "table", "image_size": "8x8", "keep": "encoded"}, declared)
    assert "keep: found 'encoded'; expected nothing: a run of the modality table has no such parameter" in str(
        caught.value
    )
    with pytest.raises(InputError, match=r"columns: found 'x'.*modality image.*\n.*--modality table"):
        parse_params({"columns": "x"}, declared)


def test_two_declarations_of_one_name_are_refused(declared: type[RunParams], monkeypatch: pytest.MonkeyPatch) -> None:
    del declared
    monkeypatch.setattr(pipeline_parameters, "NAMES", ("image",))
    with pytest.raises(TypeError, match="two declarations of the run parameter image_size, one of them in image"):
        pipeline_parameters._with_those_of_modalities(type("Again", (), {"__annotations__": {"image_size": str}}))


def test_modalities_are_the_choices() -> None:
    choices = {one.name: one.choices for one in parameters()}["modality"]
    assert choices == NAMES
    with pytest.raises(InputError, match="modality: found 'smell'; expected one of image"):
        parse_params({"modality": "smell"})
