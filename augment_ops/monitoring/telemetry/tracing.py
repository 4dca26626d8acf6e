"""Spans of one stage: what happened when, as plain values that cost nothing to keep and are exported at its end.

The ids of a run's trace and of its root span are functions of the run's id, so stages that run in processes, hours and
machines apart end up in one trace without passing anything on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from augment_ops.content import digest_of

Value = str | int | float | bool
Attributes = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Span:
    """One piece of work.

    Attributes:
        id, parent: 64-bit ids; `parent` is 0 for the root.
        start_ns, end_ns: Unix time.
        error: what ended it, empty where nothing did.
    """

    name: str
    id: int
    parent: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str = ""


@dataclass
class Trace:
    """The spans of one stage execution.

    Attributes:
        run_id: of the pipeline run; decides the trace's id.
        on: whether spans are kept; nothing is done where they are not.
    """

    run_id: str
    on: bool = False
    spans: list[Span] = field(default_factory=list)
    _open: dict[int, int] = field(default_factory=dict)  # span → when it began, the innermost last

    @property
    def id(self) -> int:
        """128-bit id of the run's trace."""
        return int(digest_of(["trace", self.run_id])[:32], 16)

    @property
    def root(self) -> int:
        """64-bit id of the span of the whole run."""
        return int(digest_of(["root span", self.run_id])[:16], 16)

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[Attributes]:
        """Keep the block as a span below the one that is open; attributes may be added to what it yields."""
        if not self.on:
            yield {}
            return
        own, parent, error = _new_id(), self._parent(), ""
        self._open[own] = time.time_ns()
        try:
            yield attributes
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"[:500]
            raise
        finally:
            start = self._open.pop(own)
            self.spans.append(
                Span(
                    name=name,
                    id=own,
                    parent=parent,
                    start_ns=start,
                    end_ns=time.time_ns(),
                    attributes=attributes,
                    error=error,
                )
            )

    def add(self, name: str, start_ns: int, attributes: Attributes) -> None:
        """Keep work that began at `start_ns` and ends now."""
        if self.on:
            self.spans.append(
                Span(
                    name=name,
                    id=_new_id(),
                    parent=self._parent(),
                    start_ns=start_ns,
                    end_ns=time.time_ns(),
                    attributes=attributes,
                )
            )

    def adopt(self, spans: Sequence[Span], start_ns: int) -> None:
        """Keep what another process has traced of this work, which it began at `start_ns`, below the span that is open.

        That one began then as well: nothing lies outside what it is a part of.
        """
        for one, began in self._open.items():
            self._open[one] = min(began, start_ns)
        own = {span.id for span in spans}
        self.spans += [span if span.parent in own else replace(span, parent=self._parent()) for span in spans]

    def close(self, name: str, start_ns: int, attributes: Attributes) -> None:
        """Keep the root: the run as a whole, which ends now."""
        if self.on:
            self.spans.append(
                Span(name=name, id=self.root, parent=0, start_ns=start_ns, end_ns=time.time_ns(), attributes=attributes)
            )

    def _parent(self) -> int:
        return next(reversed(self._open), self.root)


def _new_id() -> int:
    return int.from_bytes(os.urandom(8), "big") or 1  # 0 is no id
