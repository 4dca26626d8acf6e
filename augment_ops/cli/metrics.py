"""`augment-ops metrics …`: what the pipeline has counted and measured, for Prometheus and for people."""

from __future__ import annotations

import json
import sys
import threading
from typing import Annotated

import typer

from augment_ops.cli.runs import settings_here
from augment_ops.settings import Settings

_VERIFY_EVERY_S = 3600.0  # a million signed entries take about 15 s (benchmarks/ledger.py)
_VERIFY_AGAIN_S = 60.0  # after a fault: a database that was restarting is to be found whole before the alert fires


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    metrics = typer.Typer(help="Show metrics, or serve them to Prometheus.", no_args_is_help=True)
    metrics.command("serve")(serve)
    metrics.command("show")(show)
    app.add_typer(metrics, name="metrics")


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 chooses a free one")] = 9464,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="say the address as one JSON object")] = False,
) -> None:
    """Serve the metrics of the state folder at /metrics until Ctrl-C; every hour verify the ledger, and MLflow by it.

    Example: augment-ops metrics serve --port 9464
    """
    from augment_ops.monitoring.telemetry.endpoint import serve as start
    from augment_ops.monitoring.telemetry.metrics import LEDGER_FAULTS, REGISTRY_FAULTS
    from augment_ops.monitoring.telemetry.publish import publish
    from augment_ops.pipeline.recorders.telemetry import verify_ledger, verify_registry
    from augment_ops.workspace import Workspace

    settings = Settings.from_environment()
    chosen, end = start(settings.home, host, port)
    address = f"http://{host}:{chosen}/metrics"
    print(json.dumps({"address": address}) if as_json else address, flush=True)
    try:
        while True:
            here = settings_here()  # where MLflow is now
            workspace = Workspace(here, here.actor)
            found = verify_ledger(workspace) + verify_registry(workspace)
            for problem in publish(settings.home, found):
                print(problem, file=sys.stderr, flush=True)
            faulty = any(sample.family in (LEDGER_FAULTS, REGISTRY_FAULTS) and sample.value for sample in found)
            threading.Event().wait(_VERIFY_AGAIN_S if faulty else _VERIFY_EVERY_S)
    except KeyboardInterrupt:
        end()


def show(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a series")] = False,
) -> None:
    """Print every metric of the state folder as it is now.

    Example: augment-ops metrics show
    """
    from augment_ops.monitoring.telemetry.metrics import BY_NAME
    from augment_ops.monitoring.telemetry.textfile import path_below, read

    path = path_below(Settings.from_environment().home)
    for (name, values), value in read(path).items():
        labels = dict(zip(BY_NAME[name].labels, values, strict=True))
        if as_json:
            print(json.dumps({"name": name, "labels": labels, "value": value}))
        else:
            print(f"{name}{{{', '.join(f'{k}={v}' for k, v in labels.items())}}} {value:g}")
