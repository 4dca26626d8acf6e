"""Options of the command line for the parameters of a run, derived from their declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import Annotated, Any

import typer

from augment_ops.parameter import Parameter
from augment_ops.pipeline.parameters import RunParams, parameters


def with_options(
    command: Callable[..., None], declared: type[RunParams] = RunParams, *, only: Collection[str] = ()
) -> Callable[..., None]:
    """A command with an option for each parameter of a run before its own; `written` says which of them were given.

    Args:
        only: names of parameters; the others are no options. The command takes these by their names.
    """
    own = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def with_every_option(**given: Any) -> None:
        command(**{name: given[name] for name in own})

    options = [_option(one) for one in parameters(declared) if not only or one.name in only]
    inherited = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own.values()]
    vars(with_every_option)["__signature__"] = inspect.Signature([*options, *inherited])  # what typer reads (PEP 362)
    return with_every_option


def written(context: typer.Context, declared: type[RunParams] = RunParams) -> dict[str, Any]:
    """The parameters that somebody wrote; the others are those of the run that is gone on with, or the defaults."""
    sources = {one.name: context.get_parameter_source(one.name) for one in parameters(declared)}
    return {name: context.params[name] for name, source in sources.items() if source and source.name != "DEFAULT"}


def _option(one: Parameter) -> inspect.Parameter:
    """An option that takes any value of the type: the others are refused with all other faults of a run."""
    flag = [f"--{one.name.replace('_', '-')}"] if one.default is False else []  # without its --no-…
    choices = f"({' | '.join(one.choices)})" if one.choices else ""
    told = typer.Option(*flag, help=f"{one.help} {choices}".strip())
    kind: Any = type(one.default)
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=Annotated[kind, told]
    )
