"""What MLflow says where it refuses, told apart by what it means."""

from __future__ import annotations

import pytest

from augment_ops.tracking.connection import _tracking_error


@pytest.mark.parametrize(
    ("uri", "said", "found"),
    [
        ("http://localhost:5000", "API request failed with error code 401 != 200", "a server that wants a login"),
        ("http://localhost:5000", "API request failed with error code 403 != 200", "a login that may only read"),
        ("http://localhost:5000", "param p0 of run ID='9f84016b' was already logged", "already logged"),
        ("sqlite:///mlflow.db", "param p0 of run ID=401 was already logged", "already logged"),
    ],
)
def test_the_digits_of_a_run_are_no_refusal(uri: str, said: str, found: str) -> None:
    assert found in _tracking_error(uri, "log parameters", RuntimeError(said)).faults[0].found
