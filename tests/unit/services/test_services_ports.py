from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from augment_ops.errors import ServiceError
from augment_ops.services.ports import LOOPBACK, Port, holder, is_free, next_free, require_free
from support.ports import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_listener_is_seen_and_its_process_named(taken: int) -> None:
    assert not is_free(taken)
    assert f"pid {os.getpid()}" in holder(taken)


def test_a_taken_port_is_refused_with_holder_variable_and_a_value_that_works(taken: int) -> None:
    other = free_port()

    with pytest.raises(ServiceError) as caught:
        require_free([Port("Airflow", taken, "AUGMENT_OPS_AIRFLOW_PORT"), Port("MLflow", other, "X")])

    (fault,) = caught.value.faults
    assert str(taken) in fault.found
    assert f"pid {os.getpid()}" in fault.found
    suggestion = next_free(taken, frozenset({other}))
    assert f"AUGMENT_OPS_AIRFLOW_PORT={suggestion}" in fault.fix


def test_all_taken_ports_are_told_at_once_with_different_suggestions(taken: int) -> None:
    with pytest.raises(ServiceError) as caught:
        require_free([Port("Airflow", taken, "A"), Port("MLflow", taken, "M")])

    suggestions = {fault.fix.split("=")[1].split()[0] for fault in caught.value.faults}
    assert len(suggestions) == 2


def test_one_free_port_for_two_services_is_refused() -> None:
    port = free_port()

    with pytest.raises(ServiceError, match="the other service uses too"):
        require_free([Port("Airflow", port, "A"), Port("MLflow", port, "M")])


def test_free_ports_pass() -> None:
    require_free([Port("Airflow", free_port(), "A")])
