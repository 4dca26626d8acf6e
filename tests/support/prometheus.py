"""A real Prometheus with the project's configuration, its targets put where they are here, and no patience."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from support.ports import free_port

ROOT = Path(__file__).parents[2]
HERE = ROOT / "monitoring" / "prometheus"
DASHBOARDS = ROOT / "monitoring" / "grafana" / "dashboards"
WAIT_S = 60.0


class Api:
    """Prometheus' HTTP interface."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **query: str) -> Any:
        with urlopen(f"{self.address}/api/v1/{path}?{urlencode(query)}", timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        result = self.get("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]


def eventually(found: Callable[[], Any], what: str) -> Any:
    """What `found` gives, once it gives something."""
    deadline, pause = time.monotonic() + WAIT_S, threading.Event()
    while True:
        try:
            value = found()
        except OSError:
            value = None
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S:.0f} s"
        pause.wait(0.2)


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process until the block ends."""
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout:
            process.stdout.close()


@contextmanager
def prometheus(
    program: Callable[[str], str], folder: Path, jobs: Mapping[str, Mapping[str, Any]], alertmanager: int
) -> Iterator[Api]:
    """Prometheus until the block ends, which scrapes itself and some jobs of the configuration.

    Args:
        program: finds a program.
        folder: of its own; it is made.
        jobs: by name, what takes the place of what the configuration says of it.
        alertmanager: port.
    """
    own = free_port()
    config = yaml.safe_load((HERE / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(HERE / "alerts.yml")]
    here = {**jobs, "prometheus": at(f"127.0.0.1:{own}")}
    known = {job["job_name"]: job for job in config["scrape_configs"]}
    config["scrape_configs"] = [_without_targets(known[name]) | dict(more) for name, more in here.items()]
    config["alerting"]["alertmanagers"] = [at(f"127.0.0.1:{alertmanager}")]
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = (
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{own}",
        "--enable-feature=expand-external-labels,exemplar-storage",
        "--rules.alert.resend-delay=1s",
    )
    with running(*command, log=folder / "log"):
        yield Api(f"http://127.0.0.1:{own}")


def at(*targets: str) -> dict[str, Any]:
    """Targets that stay where they are."""
    return {"static_configs": [{"targets": list(targets)}]}


def queries(*dashboards: str) -> list[tuple[str, str, str]]:
    """Dashboard, panel and query of all panels and variables, with the variables filled in."""
    found = []
    for path in (DASHBOARDS / f"{name}.json" for name in dashboards):
        document = json.loads(path.read_text())
        for panel in document["panels"]:
            found += [(path.stem, panel["title"], _filled(target["expr"])) for target in panel["targets"]]
        found += [
            (path.stem, variable["name"], f"count by ({label}) ({name})")
            for variable in document["templating"]["list"]
            for name, label in [re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()]
        ]
    return found


def _filled(expression: str) -> str:
    for variable, value in (("$dataset", ".*"), ("$__rate_interval", "1m"), ("$__range", "1h")):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def _without_targets(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "static_configs" and not name.endswith("_sd_configs")}
