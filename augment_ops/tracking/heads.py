"""Heads of the ledger in an MLflow server, told at every entry: over its REST interface, with a bounded wait.

A run of the experiment `augment-ops/governance` keeps a hundred of them, a tag each. The tag's name says which entry,
so that none replaces another: a ledger that was cut off and grew again leaves both. Runs that somebody has moved to
MLflow's bin are read as well.

MLflow's own client is not used: its import takes a second, and its patience is one setting for all that a process asks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_ops.errors import GovernanceError, TrackingError
from augment_ops.governance.witness import Head, damaged, silent
from augment_ops.shown import address
from augment_ops.tracking.connection import is_local, log_in
from augment_ops.tracking.roots import GOVERNANCE
from augment_ops.tracking.values import TAG, experiment_name

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

_GROUP_TAG, _HEAD_TAG = f"{TAG}heads", f"{TAG}head."
_PER_RUN = 100  # tags; every process that enters something reads those of one run
_NOTE_S = 2.0  # for each answer while an entry waits; one on the same machine comes within 10 ms
_READ_S = 30.0  # for all heads that are read, as the client that other things of MLflow are asked with
# 2,000 heads take 0.2 s, and a million would take 100: who decides would wait for them. What came later stands for what
# came before, and who could note so many others could take these away.
_RUNS_READ = 20
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# What only MLflow's own client can do: plugins and requests signed for AWS.
_CLIENT_ONLY = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")


class MlflowWitness:
    """The MLflow server at a tracking URI; see `augment_ops.governance.witness.Witness`.

    Args:
        artifact_root: local folder of artifacts, beside which the login of this machine's own server lies.
    """

    def __init__(self, uri: str, artifact_root: Path) -> None:
        self._uri, self._artifact_root = uri.rstrip("/"), artifact_root
        self._experiment = ""  # its id, once it is known
        self._runs: dict[int, str] = {}
        self.name = f"witness MLflow at {address(self._uri)}"
        self.outside = not is_local(uri)

    def note(self, head: Head) -> None:
        """Set a tag; one request, and three where this process has not noted any of its hundred yet."""
        group = head.seq // _PER_RUN
        tag = {"key": f"{_HEAD_TAG}{head.seq:012d}-{head.hash}", "value": f"{head.at} {head.signer}"}
        with self._answering():
            if group not in self._runs:
                self._runs[group] = self._found(group) or self._made(group)
            self._post("runs/set-tag", {"run_id": self._runs[group], **tag})

    def heads(self) -> Iterator[Head]:
        """Those of the newest runs, also of runs that were moved to the bin."""
        query = {
            "filter": f"tags.`{_GROUP_TAG}` != ''", "run_view_type": "ALL", "max_results": _RUNS_READ,
            "order_by": ["attributes.start_time DESC"],
        }  # fmt: skip
        with self._answering():
            runs = self._search(query, _READ_S).get("runs", [])
            tags = [tag for run in runs for tag in run["data"]["tags"] if tag["key"].startswith(_HEAD_TAG)]
        yield from sorted((_head(self.name, tag) for tag in tags), key=lambda head: head.seq)

    def newest(self) -> None:
        """None: what every entry costs would double."""
        return

    def time(self) -> datetime | None:
        """None: MLflow is not asked what time it is."""
        return None

    def _found(self, group: int) -> str | None:
        query = {"filter": f"tags.`{_GROUP_TAG}` = '{group}'", "run_view_type": "ACTIVE_ONLY", "max_results": 1}
        runs = self._search(query, _NOTE_S).get("runs", [])
        return str(runs[0]["info"]["run_id"]) if runs else None

    def _made(self, group: int) -> str:
        """A run more. Two processes at once may make two: both are read."""
        if not self._known():
            self._make()
        tags = {_GROUP_TAG: str(group), "mlflow.source.name": "augment-ops", "mlflow.source.type": "JOB"}
        asked: dict[str, Any] = {
            "experiment_id": self._experiment, "start_time": int(time.time() * 1000),
            "run_name": f"heads of entries from {max(1, group * _PER_RUN)}",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }  # fmt: skip
        run = str(self._post("runs/create", asked)["run"]["info"]["run_id"])
        self._post("runs/update", {"run_id": run, "status": "FINISHED"})
        return run

    def _make(self) -> None:
        place = str(self._artifact_root / GOVERNANCE)  # as the experiment has it where its root document is noted
        try:
            self._post("experiments/create", {"name": experiment_name(GOVERNANCE), "artifact_location": place})
        except ValueError:
            if not self._known():  # else another process was faster
                raise
        self._known()

    def _known(self) -> bool:
        """Whether there is the experiment."""
        if not self._experiment:
            name = {"experiment_name": experiment_name(GOVERNANCE)}
            answer = self._ask("GET", "experiments/get-by-name", params=name)
            self._experiment = str(answer["experiment"]["experiment_id"]) if "experiment" in answer else ""
        return bool(self._experiment)

    def _search(self, query: dict[str, Any], within_s: float) -> dict[str, Any]:
        if not self._known():
            return {}
        return self._post("runs/search", {"experiment_ids": [self._experiment], **query}, within_s)

    def _post(self, what: str, asked: dict[str, Any], within_s: float = _NOTE_S) -> dict[str, Any]:
        return self._ask("POST", what, json=asked, timeout=within_s)

    def _ask(self, method: str, what: str, **request: Any) -> dict[str, Any]:
        """The answer; empty where it is asked for something that there is not."""
        answer = self._http.request(method, f"{self._uri}/api/2.0/mlflow/{what}", **request)
        if method == "GET" and answer.is_error and _ABSENT in answer.text:
            return {}
        if answer.is_error:  # in words of our own: those of httpx quote the address, password and all
            raise ValueError(f"status {answer.status_code}: {answer.text[:100]}")
        found: dict[str, Any] = answer.json()
        return found

    @contextmanager
    def _answering(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
            raise silent(self.name, error) from error

    @cached_property
    def _http(self) -> httpx.Client:
        """With the login, token and certificates that MLflow's own client would use; it keeps no connection open."""
        import httpx

        try:
            log_in(self._uri, self._artifact_root)
        except TrackingError as error:
            raise GovernanceError.of(self.name, error.faults) from error
        env = os.environ
        user, token = env.get("MLFLOW_TRACKING_USERNAME"), env.get("MLFLOW_TRACKING_TOKEN")
        login = (user, env.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None
        # Without TLS no certificates are read, which takes as long as all requests together.
        verify: Any = self._uri.startswith("https") and (env.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True)
        return httpx.Client(
            auth=login,
            headers={"Authorization": f"Bearer {token}"} if token and not login else None,
            timeout=_NOTE_S,
            verify=False if env.get("MLFLOW_TRACKING_INSECURE_TLS") == "true" else verify,
            cert=env.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
            trust_env=not is_local(self._uri),
            limits=httpx.Limits(max_keepalive_connections=0),
        )


def mlflow_witness(uri: str, artifact_root: Path) -> list[MlflowWitness]:
    """The witness at a tracking URI, where it is a server's that can be asked by plain requests.

    A database without a server lies in the hands of whoever holds the ledger; its runs note one head each.
    """
    is_server = uri.startswith(("http://", "https://"))
    return [MlflowWitness(uri, artifact_root)] if is_server and not any(map(os.environ.get, _CLIENT_ONLY)) else []


def _head(where: str, tag: dict[str, str]) -> Head:
    seq, _, hashed = tag["key"].removeprefix(_HEAD_TAG).partition("-")
    at, _, signer = tag["value"].partition(" ")
    if not (seq.isdecimal() and hashed and at):
        raise damaged(where, f"{tag['key'][-90:]}: {tag['value'][:30]}")
    return Head(seq=int(seq), hash=hashed, signer=signer, at=at)
