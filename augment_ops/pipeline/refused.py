"""The page of a run that is refused: kept in the state folder and, for those who cannot look there, in MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from augment_ops.errors import REFUSALS, AugmentOpsError
from augment_ops.files import replace_file
from augment_ops.names import REFUSED
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import parameters
from augment_ops.pipeline.run import folder_name, now
from augment_ops.report.refused import RefusedRun, render
from augment_ops.settings import Settings
from augment_ops.shown import is_below, own_addresses
from augment_ops.tracking import MlflowTracker, TrackedRun
from augment_ops.workspace import Workspace

Shown = Callable[[str], None]  # gets where the page is: its file and, where there is a server, its address

_ARTIFACT = "report/refused.html"
_ASKED = ("dataset", "policy", "environment", "approval", "gate", "suite", "max_samples")


def page_of(settings: Settings, run_id: str) -> Path:
    """Where the page of a run is that is refused."""
    return settings.home / "refused" / f"{folder_name(run_id)}.html"


@contextmanager
def before_it_begins(
    settings: Settings, run_id: str, asked: Mapping[str, Any], actor: str, link: str, shown: Shown | None
) -> Iterator[None]:
    """Leave a page where a run is refused that its driver knows already; best effort.

    Args:
        shown: None where there is no such run: then what is raised says all, to who has asked.
    """
    try:
        yield
    except REFUSALS as refusal:
        if shown is not None:
            with suppress(AugmentOpsError, OSError):
                page = _page(settings, run_id, "", {**asked, "started by": actor}, refusal, link)
                _keep(settings, run_id, page, shown)
                tracker = Workspace(settings, actor).tracker
                run = tracker.open_run(REFUSED, run_id, tags={"augment_ops.actor": actor})
                _log(settings, tracker, run, page, shown)
                tracker.finish_run(run, "FAILED")
        raise
    page_of(settings, run_id).unlink(missing_ok=True)


@contextmanager
def in_a_stage(ctx: Context, stage: str, shown: Shown) -> Iterator[None]:
    """Leave a page where a stage is refused, and none where it is done; best effort."""
    try:
        yield
    except REFUSALS as refusal:
        with suppress(AugmentOpsError, OSError):
            asked = ctx.run.params | {"started by": ctx.run.actor}
            page = _page(ctx.settings, ctx.run.id, stage, asked, refusal, ctx.run.link)
            _keep(ctx.settings, ctx.run.id, page, shown)
            _log(ctx.settings, ctx.tracker, ctx.parent, page, shown)
        raise
    page_of(ctx.settings, ctx.run.id).unlink(missing_ok=True)


def _page(
    settings: Settings, run_id: str, stage: str, asked: Mapping[str, Any], refusal: AugmentOpsError, link: str
) -> bytes:
    titles = {one.name: one.title for one in parameters()} | {"started by": "Started by"}
    told = {titles[name]: str(asked[name]) for name in (*_ASKED, "started by") if asked.get(name)}
    links = (("Airflow run", link),) if is_below(link, own_addresses(settings)) else ()
    made = RefusedRun(run_id=run_id, stage=stage, at=now(), asked=told, faults=refusal.faults, links=links)
    return render(made).encode()


def _keep(settings: Settings, run_id: str, page: bytes, shown: Shown) -> None:
    replace_file(page_of(settings, run_id), page)
    shown(str(page_of(settings, run_id)))


def _log(settings: Settings, tracker: MlflowTracker, run: TrackedRun, page: bytes, shown: Shown) -> None:
    tracker.log_bytes(run, page, _ARTIFACT)
    if settings.has_mlflow_server:
        shown(run.artifact_url(_ARTIFACT))
