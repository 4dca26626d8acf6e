"""Fields of the DAGs' forms: one for each parameter of a run, from its declaration, and names that dropdowns offer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from augment_ops.parameter import MAIN, Parameter
from augment_ops.project import home_of, policies_of

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}

# An empty field of type "string" is an error to the form, and its button stays dead.
OPTIONAL = ["string", "null"]

# The two lines of a rule file that a form tells, at the top level; a longer value goes on in indented lines.
_TOLD = re.compile(r"^(description|suite):.*(?:\n[ \t]+.*)*", re.MULTILINE)


def names(folder: str) -> list[str]:
    """Names of the files of a folder of policies/, for a dropdown."""
    return [path.stem for path in _files(folder)]


def displays(folder: str) -> dict[str, str]:
    """Name → the name with what the file says that it is for, and of a gate the suite that it belongs to."""
    return {path.stem: _display(path) for path in _files(folder)}


def form(parameters: Iterable[Parameter]) -> dict[str, Param]:
    """A field for each parameter in their order, those of the section first that the form opens."""
    ordered = sorted(parameters, key=lambda one: one.section != MAIN)
    return {one.name: Param(_shown(one), description=_description(one), **_schema(one)) for one in ordered}


def _shown(one: Parameter) -> Any:
    """What stands in the field. A list is offered whole by an empty one alone: what stands there is looked up in it."""
    return None if one.proposes else one.default


def _schema(one: Parameter) -> dict[str, Any]:
    """What the field is to the form: JSON schema, and Airflow's own keys beside it."""
    stated = {
        "type": OPTIONAL if one.may_be_empty or one.proposes else _TYPES[type(one.default)],
        "title": one.title,
        "section": one.section,
        "enum": names(one.folder) if one.folder else list(one.choices) or None,
        "values_display": displays(one.folder) if one.folder else one.displays,
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
    where = f"{one.proposes}/ of the state folder"
    return f"Empty is {one.default}. The list has what lies in {where}; anything else can be typed: {one.help}"


def _files(folder: str) -> list[Path]:
    return sorted((policies_of() / folder).glob("*.yaml"))


def _display(path: Path) -> str:
    import yaml

    try:
        told = {key: str(yaml.safe_load(line)[key]) for line, key in _lines(path)}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        told = {}  # who names the file is told what is wrong with it; the form goes on
    suite = f" (suite {told['suite']})" if "suite" in told else ""
    return f"{path.stem}{suite}: {told['description']}" if "description" in told else f"{path.stem}{suite}"


def _lines(path: Path) -> list[tuple[str, str]]:
    return [(found[0], found[1]) for found in _TOLD.finditer(path.read_text("utf-8"))]


def _lying_in(folder: str) -> list[str]:
    """Paths of what lies in a folder of the state folder."""
    return sorted(str(path) for path in (home_of() / folder).glob("[!.]*"))
