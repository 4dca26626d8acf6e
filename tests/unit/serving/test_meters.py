"""What a service shows to Prometheus: of all its processes, as the documentation lists it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from augment_ops.monitoring.telemetry.metrics import Family
from augment_ops.serving import meters, rollout_meters, supervisor_meters
from augment_ops.serving.exposition import FOLDER, Exemplars, exposition
from augment_ops.serving.rollout_meters import RolloutMeters
from augment_ops.serving.supervisor_meters import SupervisorMeters

ROOT = Path(__file__).parents[3]
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PLACE = ("letters", "dev")
_WORKER = """
import sys
from augment_ops.serving.meters import ServingMeters
from augment_ops.serving.rollout_meters import ChallengerMeters
from augment_ops.serving.traced import TRACE
of, rollout = ServingMeters("letters"), ChallengerMeters("letters", "2")
of.serves("1", "")
of.batch("1", 3, 0.002)
of.lost(5, "queue")
of.request("/predict", "1", 200, 0.0015)
TRACE.set(sys.argv[1])
of.request("/predict", "1", 200, 0.004)
for arm in ("champion", "champion", "challenger", "shadow"):
    rollout.answered(arm)
rollout.fell_back()
rollout.shadow_lost("queue")
rollout.tripped(True)
sys.stdout.write(of.shown(sys.argv[2])[0].decode())
"""


def worker(folder: Path, trace: str, accept: str) -> list[str]:
    """What a process shows that counts as a worker does; the library has to be told before it is imported."""
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), FOLDER: str(folder)}
    command = [sys.executable, "-c", _WORKER, trace, accept]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of two workers, their supervisor and a rollout."""
    folder = tmp_path_factory.mktemp("metrics")
    of = SupervisorMeters(folder, "letters", print)
    of.begins(2)
    of.restarted()
    of.refused("3")
    of.refused("4")
    rollout = RolloutMeters(folder, *PLACE, print)
    rollout.begins()
    rollout.at("2", "shadow", 0.0, since=50.0)
    rollout.at("2", "canary", 0.1, since=60.0, waiting=True)
    worker(folder, "a" * 32, "")
    return worker(folder, "b" * 32, OPENMETRICS)


FAMILIES = dict.fromkeys((*meters.FAMILIES, *supervisor_meters.FAMILIES, *rollout_meters.FAMILIES))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_metric_is_shown_and_the_page_lists_it_with_its_labels(family: Family, shown: list[str]) -> None:
    (row,) = [line for line in (ROOT / "docs/serving.md").read_text().splitlines() if f"| `{family.name}` |" in line]
    assert row.split("|")[2].strip() == ", ".join(family.labels)
    name = family.name + ("_count" if family.kind == "histogram" else "")
    (first, *_) = [line for line in shown if line.startswith(f"{name}{{")]
    assert {one.partition("=")[0] for one in first.partition("{")[2].partition("}")[0].split(",")} == set(family.labels)
    assert f"# TYPE {family.name.removesuffix('_total')} {family.kind}" in shown


def test_it_is_the_sum_of_all_workers_and_what_their_supervisor_says(shown: list[str]) -> None:
    wanted = {
        'augment_ops_serving_requests_total{dataset="letters",model_version="1",route="/predict",status="200"} 4.0',
        'augment_ops_serving_batch_samples_sum{dataset="letters",model_version="1"} 6.0',
        'augment_ops_serving_log_lost_total{dataset="letters",reason="queue"} 10.0',
        'augment_ops_serving_log_lost_total{dataset="letters",reason="log"} 0.0',
        'augment_ops_serving_workers{dataset="letters",model_version="1"} 2.0',
        'augment_ops_serving_workers_wanted{dataset="letters"} 2.0',
        'augment_ops_serving_worker_restarts_total{dataset="letters"} 1.0',
        'augment_ops_serving_refused{dataset="letters",model_version="3"} 0.0',
        'augment_ops_serving_refused{dataset="letters",model_version="4"} 1.0',
        'augment_ops_rollout_answers_total{arm="champion",challenger="2",dataset="letters"} 4.0',
        'augment_ops_rollout_tripped{challenger="2",dataset="letters"} 2.0',
        'augment_ops_rollout_step{challenger="2",dataset="letters",environment="dev",step="shadow"} 0.0',
        'augment_ops_rollout_step{challenger="2",dataset="letters",environment="dev",step="canary"} 1.0',
        'augment_ops_rollout_ended_total{dataset="letters",environment="dev",outcome="invalid"} 0.0',
    }
    assert wanted - set(shown) == set()


def test_a_bucket_has_the_traced_request_that_fell_into_it(shown: list[str]) -> None:
    buckets = {
        line.partition('le="')[2].partition('"')[0]: line
        for line in shown
        if "request_duration" in line and "le=" in line
    }
    assert f'3.0 # {{trace_id="{"b" * 32}"}} 0.004 ' not in buckets["0.003"]
    assert f'4.0 # {{trace_id="{"b" * 32}"}} 0.004 ' in buckets["0.005"]
    assert [le for le, line in buckets.items() if "#" in line] == ["0.005"]


def test_who_asks_for_text_gets_text(tmp_path: Path) -> None:
    content, media_type = exposition(tmp_path, "text/plain", Exemplars(meters.REQUEST_DURATION))
    assert (content, media_type.partition(";")[0]) == (b"", "text/plain")
    assert exposition(tmp_path, OPENMETRICS, Exemplars(meters.REQUEST_DURATION))[0] == b"# EOF\n"


def test_a_value_on_a_bound_is_an_example_of_the_bucket_that_it_bounds() -> None:
    kept = Exemplars(meters.REQUEST_DURATION)
    for seconds in (0.005, 99.0):
        kept.seen(("letters", "/predict", "1"), seconds, "a" * 32)
    assert [bound for _, bound in kept._kept] == [0.005, float("inf")]


def rollout_file(folder: Path) -> set[str]:
    return set((folder / "rollout.prom").read_text().splitlines())


def test_a_rollout_that_has_ended_is_at_no_step_and_has_no_share(tmp_path: Path) -> None:
    of = RolloutMeters(tmp_path, *PLACE, print)
    of.begins()
    of.at("2", "canary", 0.1, since=60.0)
    before = rollout_file(tmp_path)
    at = 'challenger="2",dataset="letters",environment="dev"'
    assert {f"augment_ops_rollout_share{{{at}}} 0.1", f'augment_ops_rollout_step{{{at},step="canary"}} 1.0'} <= before
    of.ended("rolled_back")
    after = rollout_file(tmp_path)
    assert {f"augment_ops_rollout_share{{{at}}} 0.0", f'augment_ops_rollout_step{{{at},step="canary"}} 0.0'} <= after
    assert 'augment_ops_rollout_ended_total{dataset="letters",environment="dev",outcome="rolled_back"} 1.0' in after
    assert not any("step_timestamp_seconds{" in line for line in after)


def test_what_cannot_be_written_is_said_and_stops_nobody(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "supervisor.prom").mkdir()
    of = SupervisorMeters(tmp_path, "letters", said.append)
    of.begins(2)
    assert "metrics were not kept" in said[0]
    (tmp_path / "supervisor.prom").rmdir()
    of.restarted()
    text = (tmp_path / "supervisor.prom").read_text()
    assert 'workers_wanted{dataset="letters"} 2.0' in text
    assert len(said) == 1


def test_prometheus_own_linter_takes_every_metric(
    program: Callable[[str], str], shown: list[str], tmp_path: Path
) -> None:
    text = "\n".join(line.partition(" # {")[0] for line in shown if line != "# EOF") + "\n"
    for family in FAMILIES:  # OpenMetrics names a counter without its end
        bare = family.name.removesuffix("_total")
        text = text.replace(f"# TYPE {bare} counter", f"# TYPE {family.name} counter")
        text = text.replace(f"# HELP {bare} ", f"# HELP {family.name} ") if family.kind == "counter" else text
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
