"""Outputs are found by their key, in this run and in earlier ones: what is believed of that, the ledger names.

The document `outputs/<stage>/<key>.json` says which run has made an output. It is a hint that whoever has the store can
write; an output is taken over only where the ledger has an entry of that run which names this stage, key and output.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from augment_ops import __version__, shipped
from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.provenance import REUSED_FROM, Provenance

# What calculates beside this program: with another version, a key may have another output.
_LIBRARIES = (
    "albumentations", "numba", "numpy", "opencv-python-headless", "pandas", "pillow", "pyarrow", "scikit-learn",
    "scipy", "torch",
)  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """Which run has made the output of a key."""

    run: str
    output: str


@dataclass(frozen=True)
class Found:
    """An output that is there already.

    Attributes:
        output: digest of its document.
        value: the document, read.
        reused_from: the run that made it; empty for this one.
    """

    output: str
    value: Any
    reused_from: str


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What is looked for: the output of one stage for one key.

    Attributes:
        run: id of the run that looks.
        cls: the output's dataclass.
        objects: objects of the store that an output points at.
        say: gets a line where a hint is not believed.
    """

    store: Store
    run: str
    stage: str
    key: str
    cls: type[Any]
    objects: Callable[[Any], Iterable[str]]
    say: Callable[[str], None]

    def in_run(self, known: Provenance) -> Found | None:
        """What this run's newest execution of the stage made, where it was killed before its record was kept."""
        newest = known.executions(self.stage)[-1:]
        if not newest or newest[0].subjects["key"] != self.key:
            return None
        output, maker = newest[0].subjects["output"], newest[0].subjects.get(REUSED_FROM, "")
        try:
            value = self.read(output)
        except StoreError:
            return None  # made again
        return Found(output, value, maker) if self.lacks(value) is None else None

    def in_other_run(self, ledger: Ledger) -> Found | None:
        """What an earlier run made; None where no hint leads to one, or the hint does not hold, which is said."""
        found = self.store.get_document(self._name)
        if found is None:
            return None
        try:
            hint = from_json(Hint, found)
            if (self.key, hint.output) in Provenance.of(ledger, hint.run).made(self.stage):
                value = self.read(hint.output)
                lacking = self.lacks(value)
                if lacking is None:
                    return Found(hint.output, value, "" if hint.run == self.run else hint.run)
                why = f"run {hint.run} made it, and its object {lacking[:12]}… is gone"
            else:
                why = f"the ledger names no {self.stage} of run {hint.run[:80]!r} that made it from these inputs"
        except StoreError as error:
            why = f"{error.faults[0].where}: {error.faults[0].found}"
        self.say(f"an earlier output is not used: {why}")
        return None

    def read(self, output: str) -> Any:
        """The output's document, verified.

        Raises:
            StoreError: it is gone or altered.
        """
        return from_json(self.cls, self.store.get(output))

    def lacks(self, value: Any) -> str | None:
        """An object that an output points at and the store does not have; None where it is whole."""
        return next((digest for digest in self.objects(value) if not self.store.has(digest)), None)

    def note(self, output: str) -> None:
        """Leave the hint for later runs that this one made it."""
        self.store.put_document(self._name, canonical_json(Hint(self.run, output)))

    @property
    def _name(self) -> str:
        return f"outputs/{self.stage}/{self.key}.json"


@cache
def computed_with() -> tuple[str, ...]:
    """What decides an output beside its inputs: this program, to the byte, and the libraries that calculate."""
    return (f"augment-ops {__version__} {_program()}", *map(_installed, _LIBRARIES))


def _program() -> str:
    sha = hashlib.sha256()
    for name, path in shipped.sources():
        source = path.read_bytes()
        sha.update(f"{name} {len(source)}\n".encode() + source)
    return sha.hexdigest()


def _installed(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library} none"
