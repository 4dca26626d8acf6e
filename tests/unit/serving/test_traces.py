"""Requests as spans: whose trace they are in, which are kept, and that nobody waits for who takes them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from augment_ops.serving.batching import Computed
from augment_ops.serving.headers import REQUEST_HEADER, TRACE_HEADER, VERSION_HEADER
from augment_ops.serving.traced import TRACE
from augment_ops.serving.traces import Traces, traces_of
from support.spans import attributes_of, spans_of

TRACE_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BEGAN_NS = 1_700_000_000_000_000_000


@pytest.fixture
def collector(web_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", web_server.address)
    return web_server


async def predict(request: Request) -> Response:
    """As a worker answers."""
    request.state.computed = Computed(seconds=0.002, began_ns=BEGAN_NS, samples=5)
    return Response(TRACE.get(), headers={VERSION_HEADER: "7", REQUEST_HEADER: "mine"})


async def failing(request: Request) -> Response:
    return Response(status_code=503)


async def gone(request: Request) -> Response:
    raise asyncio.CancelledError


def asked(traces: Traces, *headers: tuple[str, str], handler: Any = predict) -> Response:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": raw, "query_string": b""}

    async def ask() -> Response:
        try:
            return await traces.around("/predict", handler)(Request(scope))
        finally:
            assert TRACE.get() == ""

    return asyncio.run(ask())


def test_a_request_is_in_its_clients_trace_with_its_batch_below_it(collector: Any) -> None:
    traces = Traces("letters", lambda: None)
    answer = asked(traces, ("traceparent", f"00-{TRACE_ID}-{PARENT}-01"))
    traces.close()
    assert answer.headers[TRACE_HEADER] == answer.body.decode() == TRACE_ID
    request, below = sorted(spans_of(collector), key=lambda span: span.name)
    assert (request.name, request.kind, below.name) == ("POST /predict", 2, "model")
    assert request.trace_id.hex() == below.trace_id.hex() == TRACE_ID
    assert (request.parent_span_id.hex(), below.parent_span_id) == (PARENT, request.span_id)
    assert attributes_of(request) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "augment_ops.dataset": "letters",
        "augment_ops.model_version": "7",
        "augment_ops.request_id": "mine",
    }
    assert attributes_of(below) == {"augment_ops.batch.samples": 5}
    assert (below.start_time_unix_nano, below.end_time_unix_nano - BEGAN_NS) == (BEGAN_NS, 2_000_000)


@pytest.mark.parametrize(
    ("sampler", "traceparent", "kept"),
    [
        ("", f"00-{TRACE_ID}-{PARENT}-00", False),
        ("", "", True),
        ("", f"00-{'0' * 32}-{PARENT}-01", True),  # no trace: one of its own
        ("", "00-x", True),
        ("parentbased_always_off", "", False),
        ("parentbased_always_off", f"00-{TRACE_ID}-{PARENT}-01", True),
        ("parentbased_always_off", f"cc-{TRACE_ID}-{PARENT}-01-later", True),  # of a later version
    ],
)
def test_the_client_says_whether_it_is_kept_and_else_the_standard_variable(
    collector: Any, monkeypatch: pytest.MonkeyPatch, sampler: str, traceparent: str, kept: bool
) -> None:
    if sampler:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    traces = Traces("letters", lambda: None)
    answer = asked(traces, *([("traceparent", traceparent)] if traceparent else []))
    traces.close()
    assert (TRACE_HEADER in answer.headers, bool(answer.body), len(spans_of(collector))) == (kept, kept, 2 * kept)


def test_what_failed_is_an_error_and_whoever_has_gone_leaves_a_span(collector: Any) -> None:
    traces = Traces("letters", lambda: None)
    asked(traces, handler=failing)
    with pytest.raises(asyncio.CancelledError):
        asked(traces, handler=gone)
    traces.close()
    failed, left = spans_of(collector)
    assert (failed.status.code, attributes_of(failed)["error.type"]) == (2, "503")
    assert left.status.code == 0


def test_a_collector_that_refuses_is_counted_and_delays_no_answer(collector: Any) -> None:
    collector.answer, lost = 400, list[int]()
    traces = Traces("letters", lambda: lost.append(1))
    assert asked(traces).status_code == 200
    assert lost == []
    traces.close()
    assert lost == [1]


def test_variables_that_make_no_sense_are_said_and_keep_nobody_from_answering(
    collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "-1")
    assert traces_of("letters", lambda: None, said.append) is None
    assert said
    assert said[0].startswith("requests are not traced: ")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert traces_of("letters", lambda: None, said.append) is None
    assert len(said) == 1


def test_nothing_of_opentelemetry_is_imported_where_nobody_asks() -> None:
    code = (
        "import sys; from augment_ops.serving import meters, problems;"
        "from augment_ops.serving.traces import traces_of;"
        "assert traces_of('letters', lambda: None, print) is None;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", code], env=environ, timeout=120, check=False).returncode == 0
