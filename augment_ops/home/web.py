"""The pages as a web application. Nothing can be changed by it: it answers GET and HEAD alone.

Run by `augment-ops ui` on this machine, and mounted by the Airflow plugin `dags/plugins/home.py`, which brings a guard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from augment_ops.errors import AugmentOpsError, StoreError
from augment_ops.home import pages, policies
from augment_ops.home.champions import present_champions
from augment_ops.home.comparison import compare_policies, compare_runs
from augment_ops.home.costs import costs
from augment_ops.home.drift import alarms, windows
from augment_ops.home.listing import FILTERS, run_list
from augment_ops.home.rollouts import shown_rollouts
from augment_ops.home.sources import Sources
from augment_ops.pipeline.run import Run
from augment_ops.settings import Settings

_NEWEST = 8  # runs and alerts on the first page
_CHOICES = 50  # newest runs that are proposed for a comparison
_READS = ["GET", "HEAD"]
# Nothing is loaded from elsewhere, no script runs, no other site shows these pages in a frame of its own.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
# The report is a page with styles and pictures in it; whatever a sample's name smuggled in would run nothing.
_REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TITLES = {401: "Log in first", 403: "Not for this login", 404: "There is no such page", 405: "Nothing is changed here"}
Answer = Callable[[Request], Response]


def application(
    settings: Settings, *, guards: Sequence[Any] = (), hosts: Sequence[str] = (), login: str = ""
) -> FastAPI:
    """The application of one workspace.

    Args:
        guards: dependencies of FastAPI that each page has; one raises HTTPException where somebody may not see it. The
            style sheet has none: it says nothing of anybody, and whoever is told to log in is shown a page too.
        hosts: names under which it answers, against pages of other sites that have their name resolved to this
            machine; empty where whoever mounts it sees to that.
        login: address at which people log in, which takes where to return to as `next`; empty where there is none.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    home = _Home(Sources(settings), login)
    home.warm()
    app.add_api_route("/style.css", home.style, methods=_READS)
    for path, answer in home.answers.items():
        app.add_api_route(path, answer, methods=_READS, response_class=HTMLResponse, dependencies=list(guards))
    app.add_exception_handler(HTTPException, home.refused)
    app.add_exception_handler(AugmentOpsError, home.failed)
    app.middleware("http")(_with_headers)
    if hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


class _Home:
    """What is answered to each address."""

    def __init__(self, sources: Sources, login: str) -> None:
        self.sources = sources
        self.login = login
        self.answers: dict[str, Answer] = {
            "/": self.first,
            "/runs": self.runs,
            "/run": self.run,
            "/run/report": self.report,
            "/run/pictures.png": self.pictures,
            "/questions": self.questions,
            "/policies": self.policies,
            "/rollouts": self.rollouts,
            "/drift": self.drift,
            "/costs": self.costs,
            "/compare": self.compare,
            "/compare/policies": self.compare_policies,
        }

    def warm(self) -> None:
        """Make the first page once, so that nobody waits for what is read and compiled once."""
        with suppress(AugmentOpsError):  # it is said on the page
            self._rendered("first", "", **self._first())

    def first(self, request: Request) -> Response:
        """Champions, what waits for somebody, the newest runs and alerts."""
        return self._page(request, "first", **self._first())

    def _first(self) -> dict[str, Any]:
        runs, lines = self.sources.runs, policies.policy_lines(self.sources)
        begun = runs.begun()
        return {
            "champions": present_champions(self.sources),
            "waiting": runs.waiting(),
            "proposals": policies.open_proposals(lines),
            "policies": lines,
            "lines": [runs.line(run) for run in begun[:_NEWEST]],
            "total": len(begun),
            "alarms": alarms(self.sources, _NEWEST),
        }

    def style(self, request: Request) -> Response:
        """The one style sheet."""
        return Response(pages.style(), media_type="text/css", headers={"Cache-Control": "private, max-age=300"})

    def runs(self, request: Request) -> Response:
        """A page of the list."""
        asked = {name: request.query_params.get(name, "") for name in FILTERS}
        found = run_list(self.sources, asked, request.query_params.get("page", "1"))
        if found is None:
            raise HTTPException(404)
        return self._page(request, "runs", list=found)

    def run(self, request: Request) -> Response:
        """One run."""
        return self._page(request, "run", line=self.sources.runs.line(self._named(request, "id")))

    def report(self, request: Request) -> Response:
        """The report of a run, as it was kept."""
        page = self.sources.report(self.sources.runs.line(self._named(request, "id")))
        if page is None:
            raise HTTPException(404)
        return HTMLResponse(page, headers={"Content-Security-Policy": _REPORT_POLICY})

    def pictures(self, request: Request) -> Response:
        """Originals beside augmented samples."""
        try:
            picture = self.sources.pictures(self.sources.runs.line(self._named(request, "id")))
        except StoreError:
            picture = None
        if picture is None:
            raise HTTPException(404)
        return Response(picture, media_type="image/png")

    def questions(self, request: Request) -> Response:
        """What waits for somebody's answer."""
        proposals = policies.open_proposals(policies.policy_lines(self.sources))
        return self._page(request, "questions", waiting=self.sources.runs.waiting(), proposals=proposals)

    def policies(self, request: Request) -> Response:
        """The policies of the library."""
        return self._page(request, "policies", policies=policies.policy_lines(self.sources))

    def rollouts(self, request: Request) -> Response:
        """The newest rollouts."""
        return self._page(request, "rollouts", rollouts=shown_rollouts(self.sources))

    def drift(self, request: Request) -> Response:
        """Windows and alerts."""
        return self._page(request, "drift", windows=windows(self.sources), alarms=alarms(self.sources))

    def costs(self, request: Request) -> Response:
        """Seconds of work."""
        return self._page(request, "costs", costs=costs(self.sources))

    def compare(self, request: Request) -> Response:
        """Two runs, and a form to choose them with."""
        asked = request.query_params
        chosen = asked.get("before", "") and asked.get("after", "")
        found = (
            compare_runs(self.sources, self._named(request, "before"), self._named(request, "after"))
            if chosen
            else None
        )
        choices = [self.sources.runs.line(run) for run in self.sources.runs.begun()[:_CHOICES]]
        return self._page(request, "compare", found=found, choices=choices, asked=dict(asked))

    def compare_policies(self, request: Request) -> Response:
        """Two policies, and a form to choose them with."""
        asked, known = request.query_params, policies.versions(self.sources)
        before, after = asked.get("before", ""), asked.get("after", "")
        found = None
        if before and after:
            if before not in known or after not in known:
                raise HTTPException(404)
            found = compare_policies(self.sources, before, after)
            if found is None:
                raise HTTPException(404)
        return self._page(request, "compare_policies", found=found, choices=known, asked=dict(asked))

    def refused(self, request: Request, error: Exception) -> Response:
        """What is said where there is no such page, or not for whoever asks."""
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "This was not answered")
        login = _returning(self.login, request) if self.login and error.status_code == 401 else ""
        return self._page(request, "problem", status=error.status_code, title=title, faults=(), login=login)

    def failed(self, request: Request, error: Exception) -> Response:
        """What is said where the ledger or the store cannot be read."""
        assert isinstance(error, AugmentOpsError)
        title = "This cannot be read now"
        return self._page(request, "problem", status=503, title=title, faults=error.faults, login="")

    def _named(self, request: Request, parameter: str) -> Run:
        """The run of an id; of what is no id of a run nothing is looked for."""
        run = self.sources.runs.find(request.query_params.get(parameter, ""))
        if run is None:
            raise HTTPException(404)
        return run

    def _page(self, request: Request, template: str, *, status: int = 200, **shown: object) -> Response:
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return HTMLResponse(self._rendered(template, base, **shown), status_code=status)

    def _rendered(self, template: str, base: str, **shown: object) -> str:
        sources = self.sources
        return pages.render(template, base=base, addresses=sources.addresses, kept=sources.has_report, **shown)


def _returning(login: str, request: Request) -> str:
    """The login's address, from which whoever logs in comes back to what they asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{login}?{urlencode({'next': asked})}"
