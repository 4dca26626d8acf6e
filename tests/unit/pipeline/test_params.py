from __future__ import annotations

import pytest
import typer

from augment_ops.cli import runs
from augment_ops.errors import InputError
from augment_ops.pipeline.params import RunParams, parse_params


def test_the_defaults_are_a_run():
    params = parse_params({})
    assert (params.dataset, params.policy, params.delivery, params.approval) == (
        "digits",
        "digits-robust",
        "online",
        "auto",
    )
    assert parse_params(params.model_dump()) == params


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
    assert "delivery: found 'offlin'; expected input should be 'online', 'nearline' or 'offline'" in said


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


def test_every_parameter_is_an_option_of_the_command_line_with_the_same_default():
    app = typer.Typer()
    runs.register(app)
    options = {option.name: option.default for option in typer.main.get_command(app).commands["run"].params}
    own = {name: options.pop(name) for name in ("run_id", "as_json")}
    assert own == {"run_id": "", "as_json": False}
    assert options == RunParams().model_dump()


def test_keys_that_are_no_names_are_refused():
    with pytest.raises(InputError, match="1: found"):
        parse_params({1: 2})


def test_image_sizes():
    assert RunParams().resize_to() is None
    assert RunParams(image_size="32x48").resize_to() == (32, 48)


@pytest.mark.parametrize(
    ("n", "asked", "epochs"),
    [(54_000, 0, 8), (1_169, 0, 40), (21_600, 0, 20), (10**9, 0, 8), (0, 0, 40), (54_000, 3, 3)],
)
def test_epochs_follow_the_size_of_the_data_set(n, asked, epochs):
    assert RunParams(epochs=asked).epochs_for(n) == epochs
