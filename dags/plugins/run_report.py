"""The report of a run as a tab of the run in Airflow, and the same page by itself, for who may look at the run.

Airflow shows a tab's page in a frame in which links that open another tab are dead, so the tab says where the page
stands by itself. The page holds texts of data sets and policies: the browser is told to give it no script and no part
in this site, whatever is in it.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, Path
from fastapi.responses import HTMLResponse

DAG_ID = "train_and_promote"
PREFIX = "/augment-ops-report"
_HOME = conf.get("api", "base_url", fallback="").rstrip("/")
_BASE = escape(urlsplit(_HOME).path)  # Airflow may stand below a path
_READS_RUNS = [Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
_CONTAINED = "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
_OURS = "default-src 'none'; frame-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
html, body { height: 100%; margin: 0; } body { display: flex; flex-direction: column; }
p { margin: 0; padding: 6px 12px; font-size: 13px; } main { padding: 24px; max-width: 44rem; }
main p { font-size: 15px; }
code { user-select: all; overflow-wrap: anywhere; } iframe { flex: 1; border: 0; width: 100%; background: #fff; }
"""

app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


@app.get("/tab/{dag_id}/{run_id:path}", dependencies=_READS_RUNS)
def tab(dag_id: Annotated[str, Path()], run_id: Annotated[str, Path()]) -> HTMLResponse:
    """What the tab of a run shows: its report, and where that stands by itself."""
    if dag_id != DAG_ID or _page(run_id) is None:
        return page(dag_id, run_id)
    place = escape(f"{PREFIX}/{quote(dag_id, safe='')}/{quote(run_id, safe='')}")
    told = f"Its links open where it stands by itself: <code>{escape(_HOME)}{place}</code>"
    return _ours("Report", f'<p>{told}</p><iframe src="{_BASE}{place}" title="Report of the run"></iframe>')


@app.get("/{dag_id}/{run_id:path}", dependencies=_READS_RUNS)
def page(dag_id: Annotated[str, Path()], run_id: Annotated[str, Path()]) -> HTMLResponse:
    """The report of a run, or why it stopped; in words where there is neither."""
    if dag_id != DAG_ID:
        told = f"Runs of {DAG_ID} have a report. What a run of {dag_id} found is behind the buttons of its tasks."
        return _said("No report of this run", told)
    found = _page(run_id)
    if found is not None:
        return HTMLResponse(found, headers={**_HEADERS, "Content-Security-Policy": _CONTAINED})
    told = "It is made when the gate has decided, before anybody is asked to approve. Open this again then."
    return _said("No report of this run yet", told)


def _page(run_id: str) -> bytes | None:
    """The page that the pipeline has left on this machine."""
    from augment_ops.pipeline.refused import page_of
    from augment_ops.pipeline.run import report_path
    from augment_ops.settings import Settings

    settings = Settings.from_environment()
    for path in (report_path(settings.home, run_id), page_of(settings, run_id)):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            continue
    return None


def _said(title: str, text: str) -> HTMLResponse:
    return _ours(title, f"<main><h1>{escape(title)}</h1><p>{escape(text)}</p></main>")


def _ours(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    whole = f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'
    return HTMLResponse(whole, headers={**_HEADERS, "Content-Security-Policy": _OURS})


_TAB: dict[str, Any] = {
    "name": "Report",
    "href": f"{_BASE}{PREFIX}/tab/{{DAG_ID}}/{{RUN_ID}}",
    "destination": "dag_run",
    "url_route": "augment-ops-report",
}


class RunReportPlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_run_report"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "report of a run"}]  # noqa: RUF012 - Airflow's form
    external_views = [_TAB]  # noqa: RUF012 - Airflow's form
