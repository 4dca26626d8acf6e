"""Spans as a collector gets them."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def spans_of(server: Any) -> list[Any]:
    """All that a web server of `conftest.py` was sent."""
    return [
        span
        for path, body in server.received
        if path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes_of(span: Any) -> dict[str, Any]:
    """By name."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
