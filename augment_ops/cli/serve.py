"""`augment-ops serve` and `augment-ops token …`: a champion over HTTP, and who may ask it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.cli.runs import settings_here
from augment_ops.errors import InputError

if TYPE_CHECKING:
    from augment_ops.serving.access import Tokens
    from augment_ops.serving.messages import Tls
    from augment_ops.serving.served import Served


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("serve")(serve)
    token = typer.Typer(help="Who may ask a service: tokens, of which hashes are kept.", no_args_is_help=True)
    token.command("create")(create)
    token.command("list")(list_)
    token.command("revoke")(revoke)
    app.add_typer(token, name="token")


def serve(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    environment: Annotated[
        str, typer.Option(help="whose champion; default: of the best protected one that has a champion")
    ] = "",
    rules: Annotated[str, typer.Option(help="file of policies/serving/")] = "default",
    host: Annotated[
        str, typer.Option(help="address to listen on; others than this machine need a token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8100,
    tls_certificate: Annotated[str, typer.Option(help="PEM file; with --tls-key, HTTPS")] = "",
    tls_key: Annotated[str, typer.Option(help="PEM file")] = "",
    tls_clients: Annotated[str, typer.Option(help="PEM file of the authority that clients' certificates need")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="say address and version as one JSON object")] = False,
) -> None:
    """Answer with the champion of a data set until Ctrl-C; another that is promoted answers within seconds.

    A rollout that runs there (augment-ops rollout start) shows or gives the challenger its share of the requests, is
    judged meanwhile, and ends by itself.

    It is the registered file that the gate judged, held against the ledger and against stored answers before it
    answers. Every answer goes to the prediction log, which the drift monitor reads.

    Example: augment-ops serve digits --port 8100
    """
    from augment_ops.names import check_dataset
    from augment_ops.serving.admitted import AdmittedPolicies
    from augment_ops.serving.follow import FollowedChampion
    from augment_ops.serving.follow_rollout import FollowedRollout
    from augment_ops.serving.listening import Offer
    from augment_ops.serving.rules import ServingRules
    from augment_ops.serving.supervisor import Supervisor
    from augment_ops.workspace import Workspace

    check_dataset("data set", dataset)
    settings = settings_here()
    workspace = Workspace(settings, settings.actor)
    offer = Offer(
        dataset=dataset,
        rules=ServingRules.load(settings.policies / "serving" / f"{rules}.yaml"),
        host=host,
        port=port,
        tls=_tls(tls_certificate, tls_key, tls_clients),
    )

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def ready(address: str, served: Served) -> None:
        told = {"address": address, "version": served.version, "environment": served.environment}
        if as_json:
            print(json.dumps({**told, "decision": served.decision}), flush=True)
        else:
            print(
                f"{address} answers with version {served.version}, champion of {dataset} in {served.environment}",
                flush=True,
            )

    champion = FollowedChampion(workspace, dataset, environment, say)
    rollout = FollowedRollout(workspace, dataset, champion.environment, say)
    admitted = AdmittedPolicies(workspace, champion.served, offer.rules, say)
    Supervisor(settings, offer, champion, say, rolling=rollout, admitted=admitted).run(ready)


def create(
    name: Annotated[str, typer.Argument(help="whose it is, in kebab-case")],
    scope: Annotated[list[str], typer.Option(help="predict, label, augment or admin; may be repeated")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Give out a token. It is shown once: what is kept is its hash.

    Example: augment-ops token create mobile-app --scope predict
    """
    secret = _tokens().create(name, scope)
    print(json.dumps({"name": name, "scopes": scope, "token": secret}) if as_json else secret)


def list_(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the tokens that were given out, by name.

    Example: augment-ops token list
    """
    known = _tokens().all()
    if as_json:
        print(json.dumps([{"name": one.name, "scopes": one.scopes, "created": one.created} for one in known]))
    for one in () if as_json else known:
        print(f"{one.name}: {', '.join(one.scopes)}; since {one.created}")


def revoke(
    name: Annotated[str, typer.Argument(help="whose it is")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Refuse a token from now on; services do within a second.

    Example: augment-ops token revoke mobile-app
    """
    _tokens().revoke(name)
    print(json.dumps({"revoked": name}) if as_json else f"{name} is refused from now on")


def _tokens() -> Tokens:
    from augment_ops.serving.access import Tokens, tokens_path

    return Tokens(tokens_path(settings_here().home))


def _tls(certificate: str, key: str, clients: str) -> Tls | None:
    from pathlib import Path

    from augment_ops.serving.messages import Tls

    given = {"--tls-certificate": certificate, "--tls-key": key, "--tls-clients": clients}
    for option, path in given.items():
        if path and not Path(path).is_file():
            raise InputError(option, f"{path}, which is no file", "a PEM file", "correct the path")
    if bool(certificate) != bool(key) or (clients and not key):
        found = ", ".join(option for option, path in given.items() if path)
        raise InputError("TLS", f"{found} alone", "--tls-certificate and --tls-key", "give both")
    return Tls(certificate=certificate, key=key, clients=clients) if key else None
