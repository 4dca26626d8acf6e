"""Fields of the DAGs' forms: one for each parameter of a run, from its declaration, and names that dropdowns offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param

from augment_ops.parameter import Parameter
from augment_ops.project import home_of, policies_of

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}

# An empty field of type "string" is an error to the form, and its button stays dead.
OPTIONAL = ["string", "null"]


def names(folder: str) -> list[str]:
    """Names of the files of a folder of policies/, for a dropdown."""
    return sorted(path.stem for path in (policies_of() / folder).glob("*.yaml"))


def form(parameters: Iterable[Parameter]) -> dict[str, Param]:
    """A field for each parameter, in their order."""
    return {one.name: Param(one.default, description=_description(one), **_schema(one)) for one in parameters}


def _schema(one: Parameter) -> dict[str, Any]:
    """What the field is to the form: JSON schema, and Airflow's own keys beside it."""
    stated = {
        "type": OPTIONAL if one.may_be_empty else _TYPES[type(one.default)],
        "title": one.title,
        "section": one.section,
        "enum": names(one.folder) if one.folder else list(one.choices) or None,
        "values_display": one.displays,
        "examples": [one.default, *_lying_in(one.proposes)] if one.proposes else None,
        "minimum": one.minimum,
        "maximum": one.maximum,
        "pattern": one.pattern,
        "minLength": one.min_length,
        "maxLength": one.max_length,
    }
    return {key: value for key, value in stated.items() if value is not None}


def _description(one: Parameter) -> str:
    if not one.proposes:
        return one.help
    return f"{one.help} Clear the field to see what lies in {one.proposes}/ of the state folder."


def _lying_in(folder: str) -> list[str]:
    """Paths of what lies in a folder of the state folder."""
    return sorted(str(path) for path in (home_of() / folder).glob("[!.]*"))
