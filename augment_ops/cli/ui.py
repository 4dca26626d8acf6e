"""`augment-ops ui`: the home without Airflow, on this machine alone."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from augment_ops.cli.runs import settings_here

_HOST = "127.0.0.1"  # nobody logs in here: whoever is on this machine may look


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("ui")(ui)


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="on 127.0.0.1; 0 takes a free one")] = 8090,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="open it in a browser, where this is a terminal")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="say the address as one JSON object")] = False,
) -> None:
    """Serve the home: champions, runs, questions, policies, drift and costs, until Ctrl-C. Nothing is changed by it.

    It answers on 127.0.0.1 alone and asks for no login; in Airflow the same pages ask for Airflow's.

    Example: augment-ops ui --port 8090
    """
    from augment_ops.home.serving import serve

    def ready(address: str) -> None:
        print(json.dumps({"address": address}) if as_json else address, flush=True)
        if open_browser and not as_json and sys.stdout.isatty():
            import webbrowser

            webbrowser.open(address)

    serve(settings_here(), _HOST, port, ready)
