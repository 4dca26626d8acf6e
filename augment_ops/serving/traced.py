"""The trace of the request that is being answered, for what is measured and said on its way."""

from __future__ import annotations

from contextvars import ContextVar

# 32 hex digits; empty where it is not traced. Each request is answered in a task of its own, which has its own value.
TRACE: ContextVar[str] = ContextVar("trace", default="")
