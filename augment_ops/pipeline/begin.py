"""How a run begins, whoever drives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.preflight import preflight
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.refused import Shown, before_it_begins
from augment_ops.pipeline.run import Run, earlier_params
from augment_ops.settings import Settings
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
        params = parse_params({**earlier_params(open_store(settings), run_id), **asked})
        check(params)
        for warning in preflight(settings, params, actor, witness):
            warn(warning)
        return enter_run(settings, run_id, params, actor, link)
