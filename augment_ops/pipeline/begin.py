"""How a run begins, whoever drives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.preflight import preflight, recipe_section
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.refused import Shown, before_it_begins
from augment_ops.pipeline.run import Run, earlier_params
from augment_ops.settings import Settings
from augment_ops.training.threads import chosen, leaves_open
from augment_ops.workspace import open_store


def begin_run(
    settings: Settings,
    run_id: str,
    asked: Mapping[str, Any],
    actor: str,
    *,
    check: Callable[[RunParams], None],
    warn: Callable[[str], None],
    link: str = "",
    witness: str = "",
    shown: Shown | None = None,
) -> Run:
    """Validate what is asked, look at everything that it names, and record and enter the run; or find it again.

    Args:
        asked: parameters; those left out are the earlier run's where `run_id` names one, else the defaults.
        actor: who starts the run.
        check: raises where the driver may not begin such a run; called before anything is looked at.
        warn: gets one warning for people at a time.
        link: address of the run in its driver's UI.
        witness: the service that signs what people answer to this driver's question; empty where they sign themselves.
        shown: gets where the page is, where the run is refused; None for a driver that knows no such run yet.

    Raises:
        InputError: what is asked is faulty, or the id belongs to a run that was asked something else.
        GovernanceError: it may not be done, or the run's record is not that of its entry.
    """
    with before_it_begins(settings, run_id, asked, actor, link, shown):
        earlier = earlier_params(open_store(settings), run_id)
        params = parse_params({**earlier, **asked})
        check(params)
        for warning in preflight(settings, params, actor, witness):
            warn(warning)
        return enter_run(settings, run_id, _with_threads(settings, params, earlier), actor, link)


def _with_threads(settings: Settings, params: RunParams, earlier: Mapping[str, Any]) -> RunParams:
    """The same with a number of threads, where nobody gave one and the recipe leaves it open: both trainings and every
    retry have it from the run, on whatever machine they are.

    Args:
        earlier: parameters of the run, where it is gone on with: those of a version without threads mean one, by 0.
    """
    if params.threads:
        return params
    if earlier:
        return replace(params, threads=earlier.get("threads", 0))
    from augment_ops.training.recipe import processes_of

    section = recipe_section(settings.policies, params)[1]
    return replace(params, threads=chosen(processes_of(section))) if leaves_open(section) else params
