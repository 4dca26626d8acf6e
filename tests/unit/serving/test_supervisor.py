"""Where a service may listen."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from augment_ops.errors import InputError
from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.listening import Offer
from augment_ops.serving.messages import Order, Refuses, Serve, Serves, Told
from augment_ops.serving.supervisor import Supervisor
from augment_ops.settings import Settings
from augment_ops.workspace import open_store
from support.service import BREAKER, rules
from support.still import STILL


class Still:
    """Always the same version; nothing reads its files here."""

    served = STILL

    def changed(self) -> None:
        return None

    again = changed


@pytest.fixture
def at(tmp_path: Path) -> Callable[..., Supervisor]:
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_ACTOR": "tester"})

    def made(host: str, port: int, **changed: Any) -> Supervisor:
        offer = Offer(dataset="letters", rules=rules(**changed), host=host, port=port)
        return Supervisor(settings, offer, Still(), print)

    return made


def test_what_others_reach_needs_a_token(at: Callable[[str, int], Supervisor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="token create"):
        at("0.0.0.0", 0)
    Tokens(tokens_path(tmp_path)).create("app", ["predict"])
    with closing(at("0.0.0.0", 0)) as made:
        assert made.address.startswith("http://0.0.0.0:")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_alone_needs_none(at: Callable[[str, int], Supervisor], host: str) -> None:
    with closing(at(host, 0)) as made:
        assert made.address.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_refused_with_what_to_do(at: Callable[[str, int], Supervisor]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="--port 0 takes any"):
        at("127.0.0.1", taken.getsockname()[1])


class Worker:
    """One that answers each order at once; it refuses some versions.

    Attributes:
        says: what it says before its next answer.
    """

    def __init__(self, *refuses: str, says: Sequence[Told] = ()) -> None:
        self._ours, self._theirs = Pipe()
        self.refuses, self.says, self.version = refuses, says, STILL.version
        self.connection = self.process = self
        self.fileno, self.recv = self._ours.fileno, self._ours.recv

    def send(self, order: Order) -> None:
        assert isinstance(order, Serve)
        for one in self.says:
            self._theirs.send(one)
        version = order.served.version
        self._theirs.send(Refuses(version, f"no {version}") if version in self.refuses else Serves(version))

    def poll(self) -> None:
        return None


def test_of_versions_that_are_refused_one_after_the_other_none_is_begun_with(
    at: Callable[..., Supervisor], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(at("127.0.0.1", 0)) as made:
        made._workers = cast("Any", [Worker(), Worker("2", "3")])
        newer = [replace(STILL, version="2"), replace(STILL, version="3"), None, None]
        made._followed = cast("Any", SimpleNamespace(changed=lambda: newer.pop(0)))
        made._is_time = lambda: True  # type: ignore[method-assign]
        made._follow_champion()
        assert made._served.version == "1"  # what a worker that is started again begins with
        assert made._refusals._version == "3"
    said = [line for line in capsys.readouterr().out.splitlines() if "goes on" in line]
    assert [line.rpartition("; ")[0] for line in said] == [f"version 1 goes on answering: no {one}" for one in "23"]


def test_a_policy_that_does_not_work_is_said_while_a_version_is_told(
    at: Callable[..., Supervisor], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(at("127.0.0.1", 0)) as made:
        made._workers = cast("Any", [Worker(says=[Refuses("", "blurred@1.0.0 does not work")])])
        assert made._tell(replace(STILL, version="2")) == []
    assert "blurred@1.0.0 does not work" in capsys.readouterr().out


def test_epochs_that_nobody_asked_for_go_after_their_days_and_what_cannot_be_read_ends_nothing(
    at: Callable[..., Supervisor], capsys: pytest.CaptureFixture[str]
) -> None:
    nearline = {"splits": ["train"], "space_mib": 1, "retention_days": 2, "ahead": 0}
    augment = {"policies": ["digits-robust@1.0.0"], "samples_per_day": None, "nearline": nearline}
    with closing(at("127.0.0.1", 0, augment=augment, breaker=BREAKER)) as made:
        store = open_store(made._settings)
        kept = [store.put(name) for name in (b"old", b"new")]
        for shard, days in zip(kept, (3.1, 2.1), strict=True):  # one day is for clocks that differ
            used = {"size": 3, "used_at": time.time() - 86_400 * days}
            store.put_document(f"cache/shards/{shard}.json", json.dumps(used).encode())
        made._forget()
        assert [store.has(shard) for shard in kept] == [False, True]
        said = "deleted 1 epochs that nobody asked for in 2 days, and the day by which clocks may differ"
        assert said in capsys.readouterr().out
        store.put_document(f"cache/shards/{kept[1]}.json", b"{")
        made._forget()
        assert "looked for again in an hour: document _Entry" in capsys.readouterr().out
