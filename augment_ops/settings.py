"""Environment variables to one frozen settings object. Read once, at the edge (command line, task), and passed on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import Fault, InputError
from augment_ops.identity import NOBODY, RESERVED, among, is_name, name_fault, same
from augment_ops.project import home_of, policies_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where state lives and which services are used.

    Attributes:
        home: root of all local state (`var/` of the project), absolute.
        store: fsspec URI or absolute path of the content-addressed store; a relative path counts from here.
        ledger: SQLAlchemy URL of the ledger.
        mlflow_uri: tracking URI; a SQLite file below `home`, or the server's address where `up` started one.
        policies: folder of policies/ (augment, limits, stress, gates, drift, quality).
        airflow_port: port of Airflow's UI and REST interface on 127.0.0.1.
        mlflow_port: port of the MLflow server on 127.0.0.1.
        actor: who is acting, for the ledger and MLflow (the Airflow task passes its user instead); `unknown` is nobody.
        keys: folder of the private keys of this installation; outside the store's and the ledger's reach.
        witnesses: where heads of the ledger are noted beside `home`: absolute paths, file:/// or other fsspec URIs.
        installations: public keys of installations whose entries count; empty: those that the ledger itself knows.
    """

    home: Path
    store: str
    ledger: str
    mlflow_uri: str
    policies: Path
    airflow_port: int
    mlflow_port: int
    actor: str
    keys: Path
    witnesses: tuple[str, ...]
    installations: tuple[str, ...]

    @property
    def has_mlflow_server(self) -> bool:
        """Whether what MLflow keeps has an address that a browser opens; a database of its own has none."""
        return self.mlflow_uri.startswith(("http://", "https://"))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read MLFLOW_TRACKING_URI and AUGMENT_OPS_… as this class's fields are called.

        Raises:
            InputError: a home whose name no URL can hold as it is, a port that is not a number between 1 and 65535, a
                policies folder that is not there, a witness at a relative path, or an actor who can be nobody's name;
                all such faults at once.
        """
        env = os.environ if environ is None else environ
        home = home_of(env)
        policies = policies_of(env)
        faults: list[Fault] = []
        if not policies.is_dir():
            faults.append(
                Fault(
                    "AUGMENT_OPS_POLICIES",
                    str(policies),
                    "a folder that holds augment/, limits/, stress/ and gates/",
                    "name such a folder, or unset it and run in a project (`augment-ops init` makes one)",
                )
            )
        _refuse_path(home, faults)
        airflow_port = _port(env, "AUGMENT_OPS_AIRFLOW_PORT", 8080, faults)
        mlflow_port = _port(env, "AUGMENT_OPS_MLFLOW_PORT", 5000, faults)
        witnesses = _witnesses(env.get("AUGMENT_OPS_WITNESSES") or "", faults)
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
            keys=Path(env.get("AUGMENT_OPS_KEYS") or home / "keys").absolute(),
            witnesses=witnesses,
            installations=tuple((env.get("AUGMENT_OPS_INSTALLATIONS") or "").split()),
        )


def _refuse_path(home: Path, faults: list[Fault]) -> None:
    # The ledger and MLflow are SQLite files below it, named by a URL: that of `a?b` would lie in `a`, without a word.
    odd = set(str(home)) & {"?", "%"}
    undecoded = any(0xDC80 <= ord(character) <= 0xDCFF for character in str(home))
    if odd or undecoded:
        fix = "give AUGMENT_OPS_HOME, or start in another folder"
        fix += "; or LC_ALL=C.UTF-8, which reads the name" if undecoded else ""
        faults.append(Fault("AUGMENT_OPS_HOME", ascii(str(home)), "a folder without ? and %, in UTF-8", fix))


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


def _store(uri: str) -> str:
    # Airflow's tasks run in another folder than the command line.
    return uri if "://" in uri else str(Path(uri).absolute())


def _witnesses(text: str, faults: list[Fault]) -> tuple[str, ...]:
    found = tuple(text.split())
    for uri in found:
        # A relative one would be another place for each folder that something is started in.
        if "://" not in uri and not Path(uri).is_absolute():
            expected = "absolute paths or URIs such as s3://bucket/prefix, separated by blanks"
            faults.append(Fault("AUGMENT_OPS_WITNESSES", f"{uri!r:.80}", expected, "write the whole path"))
    return found


def _port(env: Mapping[str, str], name: str, default: int, faults: list[Fault]) -> int:
    text = env.get(name) or str(default)
    if text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    faults.append(Fault(name, f"{text!r:.80}", "a port number from 1 to 65535", f"unset {name} or give a free port"))
    return default
