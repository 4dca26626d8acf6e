"""What a stage may read: what it declares in the graph. A read of anything else fails, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from inspect import isfunction
from pathlib import Path
from types import MethodType
from typing import Any, TypeVar, cast

from augment_ops.content import from_json, sha256_hex
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError, InputError
from augment_ops.governance.root import rule_name
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.graph import Stage
from augment_ops.pipeline.parameters import RunParams
from augment_ops.policy.yaml_file import looked_at

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that a stage computes from, which is what its key is made of. No way leads to MLflow, ledger or settings.

    Attributes:
        params: the run's parameters, as far as they are declared (`declared`).
        store: content-addressed objects: what outputs point at, and where new ones go.
        state: what the stage's `Work.state` found outside the run.
        digests: stage among the declared inputs → digest of the document that it left behind in this run.
        policies: folder of the rules.
        files: those of them that are declared, in that order, each with its sha256 (None: not there).
        say: tells a person what is going on, one line; nothing of it is kept.
        trace: takes the spans of the stage's work.
        unfinished: folder that belongs to the stage's key, where it may keep how far it has come, to go on from there
            when it was killed. What is in it changes how long the stage takes, and of its output nothing but what was
            measured, which another try would measure otherwise. None where nothing may be kept.
    """

    stage: Stage
    params: RunParams
    store: Store
    state: object
    digests: Mapping[str, str]
    policies: Path
    files: Mapping[str, str | None]
    say: Callable[[str], None]
    trace: Trace
    unfinished: Path | None = None

    def output(self, stage: str, cls: type[T]) -> T:
        """What an earlier stage of this run left behind.

        Raises:
            InputError: it is not among the stage's inputs.
            StoreError: its document was altered.
        """
        check_input(self.stage, stage)
        return from_json(cls, self.store.get(self.digests[stage]))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The snapshot that this run ingested, as the ledger names its manifest."""
        return Snapshot(self.store, self.output("ingest", SnapshotManifest))

    def file(self, name: str) -> Path:
        """A file below policies/, named as the graph declares it.

        Raises:
            InputError: it is not among the stage's files.
        """
        if name not in self.stage.files:
            raise _undeclared(self.stage, "files", f"policies/{name}")
        return self.policies / dict(zip(self.stage.files, self.files, strict=True))[name]

    def guarded(self) -> AbstractContextManager[None]:
        """While it holds, no file below policies/ is read but those of the key, by the bytes that the key has."""
        return looked_at(self._look)

    def _look(self, path: Path, data: bytes) -> None:
        name = rule_name(self.policies, path)
        if name and name not in self.files:
            raise _undeclared(self.stage, "files", f"policies/{name}")
        if name and self.files[name] != sha256_hex(data):
            raise GovernanceError(
                f"policies/{name}",
                "another content than when the stage began",
                "a file that nobody writes to while a stage reads it",
                "run the stage again; find out who changed it",
            )


def declared(stage: Stage, params: RunParams) -> RunParams:
    """The parameters, of which those alone can be read that the stage declares."""
    return cast("RunParams", _Declared(stage, params))


class _Declared:
    """Stands for the parameters; their methods see no more of them than the stage does."""

    def __init__(self, stage: Stage, params: RunParams) -> None:
        self._stage, self._params = stage, params

    def __getattr__(self, name: str) -> Any:
        method = vars(RunParams).get(name)
        if isfunction(method):
            return MethodType(method, self)
        value = getattr(self._params, name)
        if name not in self._stage.params:
            raise _undeclared(self._stage, "params", name)
        return value


def check_input(stage: Stage, name: str) -> None:
    """See that a stage declares that it reads another's output.

    Raises:
        InputError: it does not.
    """
    if name not in stage.inputs:
        raise _undeclared(stage, "inputs", name)


_CALLED = {"params": "parameter", "inputs": "output of", "files": "file"}


def _undeclared(stage: Stage, kind: str, name: str) -> InputError:
    return InputError(
        f"stage {stage.name}",
        f"a read of the {_CALLED[kind]} {name}, which it does not declare",
        f"one of its {kind} ({', '.join(getattr(stage, kind)) or 'it has none'})",
        f"add it to its {kind} in augment_ops/pipeline/graph.py: what is read is part of the key",
    )
