"""Where a service may listen."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from augment_ops.errors import InputError
from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.listening import Offer
from augment_ops.serving.supervisor import Supervisor
from augment_ops.settings import Settings
from support.service import rules
from support.still import STILL


class Still:
    """Always the same version; nothing reads its files here."""

    served = STILL

    def changed(self) -> None:
        return None

    again = changed


@pytest.fixture
def at(tmp_path: Path) -> Callable[[str, int], Supervisor]:
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_ACTOR": "tester"})

    def made(host: str, port: int) -> Supervisor:
        return Supervisor(settings, Offer(dataset="letters", rules=rules(), host=host, port=port), Still(), print)

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
