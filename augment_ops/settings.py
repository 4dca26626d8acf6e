"""Environment variables to one frozen settings object. Read once, at the edge (command line, task), and passed on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import Fault, InputError
from augment_ops.identity import NOBODY, RESERVED, among, is_name, name_fault, same

_PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """Where state lives and which services are used.

    Attributes:
        home: root of all local state (`./var`), absolute.
        store: fsspec URI or absolute path of the content-addressed store; a relative path counts from here.
        ledger: SQLAlchemy URL of the ledger.
        mlflow_uri: tracking URI; a SQLite file below `home`, or the server's address where `up` started one.
        policies: folder of policies/ (augment, limits, stress, gates, drift, quality).
        airflow_port: port of Airflow's UI and REST interface on 127.0.0.1.
        mlflow_port: port of the MLflow server on 127.0.0.1.
        actor: who is acting, for the ledger and MLflow (the Airflow task passes its user instead); `unknown` is nobody.
    """

    home: Path
    store: str
    ledger: str
    mlflow_uri: str
    policies: Path
    airflow_port: int
    mlflow_port: int
    actor: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read AUGMENT_OPS_{HOME,STORE,LEDGER,POLICIES,AIRFLOW_PORT,MLFLOW_PORT,ACTOR} and MLFLOW_TRACKING_URI.

        Raises:
            InputError: a port that is not a number between 1 and 65535, a policies folder that is not there, or an
                actor who can be nobody's name; all such faults at once.
        """
        env = os.environ if environ is None else environ
        home = Path(env.get("AUGMENT_OPS_HOME") or Path.cwd() / "var").absolute()
        policies = Path(env.get("AUGMENT_OPS_POLICIES") or _default_policies()).absolute()
        faults: list[Fault] = []
        if not policies.is_dir():
            faults.append(
                Fault(
                    "AUGMENT_OPS_POLICIES",
                    str(policies),
                    "a folder that holds augment/, limits/, stress/ and gates/",
                    "run in the project's root, or set AUGMENT_OPS_POLICIES",
                )
            )
        airflow_port = _port(env, "AUGMENT_OPS_AIRFLOW_PORT", 8080, faults)
        mlflow_port = _port(env, "AUGMENT_OPS_MLFLOW_PORT", 5000, faults)
        actor = _actor(env, faults)
        if faults:
            raise InputError.of("environment variables", faults)
        return cls(
            home=home,
            store=_store(env.get("AUGMENT_OPS_STORE") or str(home / "store")),
            ledger=env.get("AUGMENT_OPS_LEDGER") or f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=env.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
            policies=policies,
            airflow_port=airflow_port,
            mlflow_port=mlflow_port,
            actor=actor,
        )


def _actor(env: Mapping[str, str], faults: list[Fault]) -> str:
    """Who is named; nobody where USER is no name that could stand in the ledger: nobody chose it for this program."""
    named, user = env.get("AUGMENT_OPS_ACTOR", ""), env.get("USER", "")
    if not named:
        return user if is_name(user) and not among(user, RESERVED) else NOBODY
    fault = name_fault("AUGMENT_OPS_ACTOR", named)
    if fault is None and among(named, RESERVED) and not same(named, NOBODY):
        fault = Fault("AUGMENT_OPS_ACTOR", repr(named), "a person", "give your id in policies/approvers.yaml")
    if fault is not None:
        faults.append(fault)
    return named


def _default_policies() -> Path:
    here = Path.cwd() / "policies"
    return here if here.is_dir() else _PROJECT_ROOT / "policies"


def _store(uri: str) -> str:
    # Airflow's tasks run in another folder than the command line.
    return uri if "://" in uri else str(Path(uri).absolute())


def _port(env: Mapping[str, str], name: str, default: int, faults: list[Fault]) -> int:
    text = env.get(name) or str(default)
    if text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    faults.append(Fault(name, f"{text!r:.80}", "a port number from 1 to 65535", f"unset {name} or give a free port"))
    return default
