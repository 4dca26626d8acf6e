"""Each request as a span, where OTLP is configured; without that nothing here is called, nor anything imported.

A client's trace is taken over from its `traceparent` and kept or not as the client says; others as
`OTEL_TRACES_SAMPLER` says. Source: W3C Trace Context; OpenTelemetry semantic conventions for HTTP spans.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from augment_ops import __version__
from augment_ops.errors import AugmentOpsError
from augment_ops.extras import require
from augment_ops.monitoring.telemetry import otlp
from augment_ops.serving.batching import Computed
from augment_ops.serving.headers import REQUEST_HEADER, TRACE_HEADER, VERSION_HEADER
from augment_ops.serving.traced import TRACE

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Handler = Callable[[Request], Awaitable[Response]]

_NS = 1_000_000_000


class Traces:
    """Spans of one worker.

    Args:
        dataset: attribute of all of them.
        unsent: called for each batch of spans that nobody took.
    """

    def __init__(self, dataset: str, unsent: Callable[[], None]) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        from augment_ops.monitoring.telemetry.span_export import provider

        self._dataset, self._provider = dataset, provider(unsent)
        self._tracer = self._provider.get_tracer(otlp.SERVICE, __version__)
        self._client_of = TraceContextTextMapPropagator().extract
        self._kind, self._below = SpanKind.SERVER, set_span_in_context

    def around(self, route: str, handler: Handler) -> Handler:
        """A handler whose requests are spans."""

        async def answer(request: Request) -> Response:
            span = self._tracer.start_span(
                f"{request.method} {route}",
                self._client_of(request.headers),
                self._kind,
                {
                    "http.request.method": request.method,
                    "http.route": route,
                    "augment_ops.dataset": self._dataset,
                },
            )
            if not span.is_recording():
                return await handler(request)
            trace = f"{span.get_span_context().trace_id:032x}"
            token = TRACE.set(trace)
            try:
                response = await handler(request)
                self._describe(span, request, response)
            finally:
                TRACE.reset(token)
                span.end()
            response.headers[TRACE_HEADER] = trace
            return response

        return answer

    def close(self) -> None:
        """Send what is left; waits for the collector as long as `OTEL_EXPORTER_OTLP_TIMEOUT` says."""
        self._provider.shutdown()

    def _describe(self, span: Span, request: Request, response: Response) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("http.response.status_code", response.status_code)
        for name, header in (("model_version", VERSION_HEADER), ("request_id", REQUEST_HEADER)):
            told = response.headers.get(header)
            if told:
                span.set_attribute(f"augment_ops.{name}", told)
        if response.status_code >= 500:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", str(response.status_code))
        computed: Computed | None = getattr(request.state, "computed", None)
        if computed is not None:
            batch = {"augment_ops.batch.samples": computed.samples}
            below = self._tracer.start_span("model", self._below(span), attributes=batch, start_time=computed.began_ns)
            below.end(computed.began_ns + int(computed.seconds * _NS))


def traces_of(dataset: str, unsent: Callable[[], None], say: Callable[[str], None]) -> Traces | None:
    """The spans of a worker, where the standard variables ask for them.

    Args:
        say: gets a line where they are asked for and cannot be had: that keeps nobody from answering.
    """
    if not otlp.wanted("traces"):
        return None
    try:
        require("opentelemetry", "OTEL_EXPORTER_OTLP_…")
        return Traces(dataset, unsent)
    except (AugmentOpsError, ValueError) as error:  # not installed, or a variable that the SDK does not understand
        say(f"requests are not traced: {error}")
        return None
