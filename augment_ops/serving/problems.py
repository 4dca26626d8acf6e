"""What is answered where nothing else can be: problem details, and never a stack trace.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from augment_ops.errors import AugmentOpsError, Fault
from augment_ops.serving.traced import TRACE

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - an answer
    """An answer that is none.

    Args:
        status: of HTTP.
        detail: what is wrong, for a person; empty where faults say it.
        faults: each with where, found, expected and fix.
        headers: of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str = "",
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, tuple(faults), headers or {}

    @classmethod
    def of(cls, status: HTTPStatus, error: AugmentOpsError) -> Problem:
        """The faults of an error of ours."""
        return cls(status, faults=error.faults)

    def response(self) -> Response:
        """As it goes over the wire."""
        document: dict[str, object] = {"type": "about:blank", "title": self.status.phrase, "status": int(self.status)}
        if self.detail:
            document["detail"] = self.detail
        if self.faults:
            document["faults"] = [vars(fault) for fault in self.faults]
        trace = TRACE.get()
        if trace:
            document["trace_id"] = trace
        return Response(json.dumps(document), int(self.status), self.headers, MEDIA_TYPE)
