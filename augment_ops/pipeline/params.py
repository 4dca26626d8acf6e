"""What a run is asked to do: validated once, the same from the command line and from Airflow's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from augment_ops.errors import Fault, InputError, nearest
from augment_ops.forms import FORMS, expected_of
from augment_ops.modalities import NAMES, run_parameters
from augment_ops.names import dataset_fault
from augment_ops.parameter import Parameter
from augment_ops.pipeline.parameters import RunParams, parameters
from augment_ops.policy.library import policy_path


def parse_params(values: Mapping[str, Any], declared: type[RunParams] = RunParams) -> RunParams:
    """Validate the parameters of a run.

    Args:
        declared: what the parameters are.

    Raises:
        InputError: every unknown key, wrong type and value out of range at once; or every parameter that only another
            modality has, and that is not left at its default; or the name of a data set is one of ours.
    """
    model = _model(declared)
    try:
        params = declared(**model.model_validate(dict(values)).model_dump())
    except ValidationError as error:
        known = sorted(model.model_fields)
        forms = FORMS | {one.pattern: one.form for one in parameters(declared) if one.pattern and one.form}
        faults = [_fault(item, known, forms) for item in error.errors(include_url=False)]
        raise InputError.of("run parameters", faults) from error
    faults = _foreign(params)
    name = dataset_fault("dataset_name", params.dataset_name) if params.dataset_name else None
    if name is not None:
        faults.append(name)
    if faults:
        raise InputError.of("run parameters", faults)
    return params


def named(params: RunParams) -> dict[str, object]:
    """The parameters by name, and `policy_file`: where the policy lies, below policies/ unless it is a path."""
    return {**asdict(params), "policy_file": policy_path(Path(), params.policy)}


def _model(declared: type[RunParams]) -> type[BaseModel]:
    """What pydantic checks the values by."""
    checked: dict[str, Any] = {one.name: (_checked(one), one.default) for one in parameters(declared)}
    return create_model("RunParams", __config__=ConfigDict(extra="forbid", strict=True), **checked)


def _checked(one: Parameter) -> Any:
    """The type of a parameter with the bounds that it has."""
    bounds = Field(
        ge=one.minimum, le=one.maximum, pattern=one.pattern, min_length=one.min_length, max_length=one.max_length
    )
    return Annotated[one.annotation, bounds]


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a form's fields ask for: an empty one for the empty text, or for the default where a list is offered."""
    offered = {one.name for one in parameters() if one.proposes}
    told = {name: value for name, value in fields.items() if value is not None or name not in offered}
    return {name: "" if value is None else value for name, value in told.items()}


def _foreign(params: RunParams) -> list[Fault]:
    """What is asked of another modality than the run's: a form gives every parameter, so the default asks nothing."""
    return [
        Fault(
            one.name,
            repr(getattr(params, one.name))[:120],
            f"nothing: a run of the modality {params.modality} has no such parameter",
            f"leave it out, or run with --modality {name}",
        )
        for name in NAMES
        if name != params.modality
        for one in run_parameters(name)
        if getattr(params, one.name) != one.default
    ]


def _fault(item: Any, known: list[str], forms: Mapping[str, str]) -> Fault:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return Fault(name, "unknown key", f"one of {', '.join(known)}", f"remove or rename it.{nearest(name, known)}")
    expected, fix = expected_of(item, forms)
    return Fault(name, repr(item["input"])[:120], expected, fix)
