"""Runs and what is logged to them. Every write looks first, so a stage that is run again records nothing twice."""

from __future__ import annotations

import json
import math
import sys
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from augment_ops.errors import TrackingError
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import (
    DISCOVERED_TAG,
    EXPERIMENTS,
    LEDGER_HEAD_TAG,
    PARENT_ROLE,
    PROMOTION_TAG,
    TAG,
    TrackedRun,
    experiment_name,
    quoted,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

T = TypeVar("T")

# What one request of MLflow's log-batch takes (mlflow.utils.validation: MAX_*_PER_BATCH).
_METRICS_PER_BATCH = 1000
_PARAMS_PER_BATCH = 100
_PARAM_LENGTH = 6000  # MLflow cuts longer values without a word
_DIGEST_LENGTH = 36  # of an MLflow data set
_RUNS_PER_PAGE = 1000


def open_run(
    connection: Connection, dataset: str, pipeline_run: str, role: str | None, tags: Mapping[str, str]
) -> TrackedRun:
    """The run of that pipeline run and role, made where it is absent. Call with the lock held."""
    experiment_id = _experiment(connection, dataset)
    own = {f"{TAG}pipeline_run": pipeline_run, f"{TAG}role": PARENT_ROLE}
    if role is None:
        return _tracked(connection, _find_or_create(connection, experiment_id, {**tags, **own}, pipeline_run))
    parent = _find_or_create(connection, experiment_id, own, pipeline_run)
    nested = {**tags, **own, f"{TAG}role": role, "mlflow.parentRunId": parent.info.run_id}
    return _tracked(connection, _find_or_create(connection, experiment_id, nested, role))


def finish_run(connection: Connection, run: TrackedRun, status: str) -> None:
    """End the run; the end time of one that has that status already stays."""
    if connection.client.get_run(run.run_id).info.status != status:
        connection.client.set_terminated(run.run_id, status)


def name_run(connection: Connection, run: TrackedRun, name: str) -> None:
    """Call the run so in MLflow's lists. It is found by its tags, whatever it is called."""
    if connection.client.get_run(run.run_id).info.run_name != name:
        connection.client.update_run(run.run_id, name=name)


def ledger_heads(connection: Connection) -> dict[str, str]:
    """Heads of the ledger that runs noted → the run, as a person finds it."""
    experiments = connection.client.search_experiments(filter_string=f"name LIKE '{EXPERIMENTS}%'")
    found: dict[str, str] = {}
    token = None
    while experiments:
        page = connection.client.search_runs(
            [experiment.experiment_id for experiment in experiments],
            filter_string=f"tags.`{LEDGER_HEAD_TAG}` != ''",
            max_results=_RUNS_PER_PAGE,
            page_token=token,
        )
        for run in page:
            found[run.data.tags[LEDGER_HEAD_TAG]] = f"MLflow run {run.info.run_id}"
        token = page.token
        if not token:
            break
    return found


def discovered_digest(connection: Connection, run_id: str) -> str | None:
    """Digest of the policy that the run of a search found; empty where it found none, None where there is no run.

    A run in MLflow's bin, which it still gives, counts as gone: it will be.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = connection.client.get_run(run_id)
    except MlflowException as error:
        # A name that no id can have is refused as an invalid parameter.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    if run.info.lifecycle_stage == "deleted":
        return None
    return str(run.data.tags.get(DISCOVERED_TAG, ""))


def log_params(connection: Connection, run: TrackedRun, params: Mapping[str, str | int | float]) -> None:
    """Record parameters; one that is there already must have the same value, as MLflow never changes one."""
    from mlflow.entities import Param

    for key, value in params.items():
        if len(str(value)) > _PARAM_LENGTH:
            raise TrackingError(
                f"parameter {key}", f"{len(str(value))} characters", f"at most {_PARAM_LENGTH}", "log it as an artifact"
            )
    for part in _parts([Param(key, str(value)) for key, value in params.items()], _PARAMS_PER_BATCH):
        connection.client.log_batch(run.run_id, params=part)


def log_curve(
    connection: Connection, run: TrackedRun, points: Sequence[tuple[str, float, int]], *, once: bool = False
) -> None:
    """Record metric points (name, value, step) in one batch, except those that the run has already.

    Args:
        once: a step that is there stays as it is, whatever its value: what a clock has measured is never the same.
    """
    from mlflow.entities import Metric

    client = connection.client
    known = client.get_run(run.run_id).data.metrics
    seen = {
        (metric.key, metric.step, None if once else _comparable(metric.value))
        for key in sorted({name for name, _, _ in points} & known.keys())
        for metric in client.get_metric_history(run.run_id, key)
    }
    now = int(time.time() * 1000)
    fresh = []
    for name, value, step in points:
        point = (name, step, None if once else _comparable(value))
        if point not in seen:
            seen.add(point)
            fresh.append(Metric(name, float(value), now, step))
    for part in _parts(fresh, _METRICS_PER_BATCH):
        client.log_batch(run.run_id, metrics=part)


def log_dataset(
    connection: Connection,
    run: TrackedRun,
    name: str,
    digest: str,
    context: str,
    shape: Sequence[int],
    counts: Mapping[str, int],
    source: str,
) -> None:
    """Record a data set as the run's input, under our own digest.

    MLflow keeps one input for each name and digest of a run and drops a second context without a word, so the
    context is part of the name.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tensor = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, *shape]}}
    scheme = urllib.parse.urlparse(source).scheme
    entry = Dataset(
        name=f"{name}.{context}",
        digest=digest[:_DIGEST_LENGTH],
        source_type=scheme if scheme in ("s3", "http", "https", "gs") else "local",
        source=json.dumps({"uri": source}),
        schema=json.dumps({"mlflow_tensorspec": {"features": json.dumps([tensor]), "targets": None}}),
        profile=json.dumps({"num_rows": sum(counts.values()), "counts": dict(counts)}),
    )
    tags = [InputTag("mlflow.data.context", context), InputTag(f"{TAG}digest", digest)]
    connection.client.log_inputs(run.run_id, [DatasetInput(entry, tags)])


def _experiment(connection: Connection, dataset: str) -> str:
    name = experiment_name(dataset)
    found = connection.client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    root = connection.artifact_root
    location = None if root is None else str(root / dataset)
    return str(connection.client.create_experiment(name, artifact_location=location))


def _find_or_create(connection: Connection, experiment_id: str, tags: dict[str, str], name: str) -> Run:
    client = connection.client
    found = _search(connection, experiment_id, tags)
    if not found:
        source = {"mlflow.source.name": "augment-ops", "mlflow.source.type": "JOB"}
        client.create_run(experiment_id, tags={**source, **tags}, run_name=name)
        # The client repeats a request that got no answer, and a server that died may have stored the first one.
        found = _search(connection, experiment_id, tags)
        for extra in found[1:]:
            client.delete_run(extra.info.run_id)
        return found[0]
    run = found[0]
    _bring_up_to_date(connection, run, tags)
    return run


def _bring_up_to_date(connection: Connection, run: Run, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    changed = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    if changed:
        connection.client.log_batch(run.info.run_id, tags=changed)
    # A retry is at work. A finished run that is only looked up stays so, and one whose candidate was refused as well.
    if run.info.status in ("FAILED", "KILLED") and PROMOTION_TAG not in {*run.data.tags, *tags}:
        connection.client.update_run(run.info.run_id, status="RUNNING")


def _search(connection: Connection, experiment_id: str, tags: Mapping[str, str]) -> list[Run]:
    wanted = " and ".join(f"tags.`{TAG}{key}` = {quoted(tags[TAG + key])}" for key in ("pipeline_run", "role"))
    runs: Iterable[Run] = connection.client.search_runs(
        [experiment_id], wanted, order_by=["attributes.start_time ASC"], max_results=10
    )
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def _tracked(connection: Connection, run: Run) -> TrackedRun:
    run_id, experiment_id = run.info.run_id, run.info.experiment_id
    url = f"mlflow:{run_id}"
    if connection.is_server:
        # Without the choice MLflow shows every experiment as one of language models, with empty traces in front.
        url = f"{connection.uri}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    return TrackedRun(run_id, experiment_id, url, run.info.artifact_uri)


def _comparable(value: float) -> float | str:
    # MLflow stores infinities as the largest double, and NaN is unequal to itself.
    if math.isnan(value):
        return "nan"
    return max(-sys.float_info.max, min(sys.float_info.max, float(value)))


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
