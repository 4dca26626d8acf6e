"""Replicas of `augment-ops serve` over one home, each with a clock of its own, asked again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from augment_ops.serving.headers import REQUEST_HEADER, VERSION_HEADER
from augment_ops.workspace import Workspace
from support.shifted_clock import clock_ahead

_COMMAND = [sys.executable, "-c", "from augment_ops.cli import main; main()", "serve"]
PAYMENT = {"amount": 21.5, "hour": 3, "past_week": 6, "kind": "card"}


@dataclass
class Replica:
    """One of them.

    Attributes:
        client: for its address.
        errors: file of what it says.
        versions: that have answered.
    """

    client: httpx.Client
    errors: Path
    versions: set[str] = field(default_factory=set)

    @property
    def said(self) -> str:
        """To standard error."""
        return self.errors.read_text()

    def ask(self, request: str = "", samples: int = 1) -> httpx.Response:
        """What it answers; a request that fails is an error."""
        headers = {REQUEST_HEADER: request} if request else {}
        found = self.client.post("/predict", json={"samples": [PAYMENT] * samples}, headers=headers)
        assert found.status_code == 200, found.text
        self.versions.add(found.headers[VERSION_HEADER])
        return found

    def label(self, labels: dict[str, str]) -> httpx.Response:
        """What it says to labels."""
        return self.client.post("/labels", json={"labels": labels})


@contextmanager
def replicas(
    workspace: Workspace, dataset: str, mlflow_uri: str = "", ahead_h: tuple[int, ...] = (0,)
) -> Iterator[list[Replica]]:
    """Serve until the block ends.

    Args:
        workspace: of its home, whose rules `default` are changed to one worker.
        mlflow_uri: by default that of the home.
        ahead_h: how far the clock of each is ahead, in hours.
    """
    settings = workspace.settings
    rules = settings.policies / "serving" / "default.yaml"
    rules.write_text(rules.read_text().replace("workers: 0 ", "workers: 1 "))
    variables = {"AUGMENT_OPS_HOME": str(settings.home), "AUGMENT_OPS_POLICIES": str(settings.policies)}
    variables |= {"MLFLOW_TRACKING_URI": mlflow_uri} if mlflow_uri else {}
    with ExitStack() as stack:
        started, found = [], []
        for place, hours in enumerate(ahead_h):
            errors, clock = settings.home / f"service-{place}.txt", clock_ahead(settings.home, hours) if hours else {}
            started.append((errors, stack.enter_context(_process({**variables, **clock}, dataset, errors))))
        for errors, process in started:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline() or "{}").get("address")
            assert address, errors.read_text()
            found.append(Replica(stack.enter_context(httpx.Client(base_url=address, timeout=60)), errors))
        yield found


@contextmanager
def _process(variables: dict[str, str], dataset: str, errors: Path) -> Iterator[subprocess.Popen[str]]:
    with errors.open("w") as complaints:
        process = subprocess.Popen(
            [*_COMMAND, dataset, "--port", "0", "--json"],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
