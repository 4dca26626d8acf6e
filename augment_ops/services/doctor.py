"""Check this machine and environment; each finding says how to mend it. Changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from augment_ops import __version__, shipped
from augment_ops.errors import AugmentOpsError
from augment_ops.governance import root as rules
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.keys import fingerprint, load, witness_path
from augment_ops.machine import usable_cores
from augment_ops.services import processes
from augment_ops.services.components import components
from augment_ops.services.layout import dags_folder, layout_of
from augment_ops.services.people import people
from augment_ops.services.ports import holder, is_free, next_free
from augment_ops.services.stack import running_settings
from augment_ops.settings import Settings
from augment_ops.workspace import has_ledger, heads_noted, open_ledger

Outcome = Literal["ok", "warn", "fail"]

_PYTHON = ((3, 11), (3, 14))  # pyproject.toml: requires-python
# The stack takes 1.1 GB here, training on small images 1 GB, and the build of the environment is 3 GB on disk.
_MEMORY_GB = (2.0, 4.0)  # available: less than the first fails, less than the second warns
_DISK_GB = (1.0, 5.0)
_SHOWN = 5  # of the packages that differ
_MODULES = ("airflow", "mlflow", "torch", "albumentations", "evidently")


@dataclass(frozen=True)
class Diagnosis:
    """What one check found; `fix` is empty where nothing is to be done."""

    check: str
    outcome: Outcome
    found: str
    fix: str = ""


def examine(settings: Settings) -> list[Diagnosis]:
    """All checks, each on its own: one that fails does not hide the others."""
    checks: tuple[Callable[[Settings], list[Diagnosis]], ...] = (
        _python,
        _pins,
        _ports,
        _home,
        _disk,
        _memory,
        _processors,
        _policies,
        _dags,
        _stack,
        _browser,
    )
    findings: list[Diagnosis] = []
    for check in checks:
        try:
            findings += check(settings)
        except AugmentOpsError as error:
            fault = error.faults[0]
            findings.append(Diagnosis(check.__name__.strip("_"), "fail", f"{fault.where}: {fault.found}", fault.fix))
    return findings


def worst(findings: list[Diagnosis]) -> Outcome:
    """Fail before warn before ok."""
    outcomes = {finding.outcome for finding in findings}
    return "fail" if "fail" in outcomes else "warn" if "warn" in outcomes else "ok"


def pinned(text: str) -> dict[str, str]:
    """Exact versions of a constraints file by normalised name; other lines are passed over."""
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if match := re.match(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;#]+)", line):
            pins[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return pins


def _python(_: Settings) -> list[Diagnosis]:
    found = f"{sys.version_info.major}.{sys.version_info.minor} in {sys.prefix}"
    low, high = _PYTHON
    if low <= sys.version_info[:2] < high:
        return [Diagnosis("python", "ok", found)]
    return [
        Diagnosis("python", "fail", found, "install Python 3.11, 3.12 or 3.13 and run `make PYTHON=python3.11 install`")
    ]


def _pins(_: Settings) -> list[Diagnosis]:
    missing = [name for name in _MODULES if _installed(_DISTRIBUTIONS.get(name, name)) is None]
    path = shipped.constraints()
    if not path.is_file():
        return [Diagnosis("pins", "warn", f"no {path}", "restore it from git")]
    differing: list[str] = []
    pins = pinned(path.read_text())
    for name, wanted in pins.items():
        found = _installed(name)
        # A local part ("2.13.0+cpu") names the build of the same version.
        if found is not None and found.split("+")[0] != wanted.split("+")[0]:
            differing.append(f"{name} {found} (pinned {wanted})")
    root = shipped.checkout()
    what = f"-e '{root}[all]'" if root else f"'augment-ops[all]=={__version__}'"
    fix = f"{sys.executable} -m pip install -c {path} {what}"
    if missing:
        # A checkout has everything; who installs the package may want no Airflow.
        return [Diagnosis("pins", "fail" if root else "warn", f"not installed: {', '.join(missing)}", fix)]
    if differing:
        shown = ", ".join(differing[:_SHOWN]) + (
            f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        )
        return [Diagnosis("pins", "warn", shown, fix)]
    return [Diagnosis("pins", "ok", f"{len(pins)} versions as pinned")]


_DISTRIBUTIONS = {"airflow": "apache-airflow-core"}


def _restore(name: str) -> str:
    """How what is shipped comes back: a checkout has it in git, an installed package in every project that it makes."""
    return f"restore {name} from git" + ("" if shipped.checkout() else ", or from what `augment-ops init` makes")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _ports(settings: Settings) -> list[Diagnosis]:
    current = running_settings(settings)
    layout = layout_of(current)
    running = {n for n, r in processes.records(layout).items() if processes.leader(layout, r) is not None}
    findings: list[Diagnosis] = []
    for component in components(current):
        port = component.port
        if port is None:
            continue
        name = f"port {port.number} ({port.service})"
        if component.name in running:
            findings.append(Diagnosis(name, "ok", "in use by this stack"))
        elif is_free(port.number):
            findings.append(Diagnosis(name, "ok", "free"))
        else:
            free = next_free(port.number)
            findings.append(
                Diagnosis(
                    name, "fail", f"taken by {holder(port.number)}", f"export {port.variable}={free or '<a free port>'}"
                )
            )
    return findings


def _home(settings: Settings) -> list[Diagnosis]:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return [Diagnosis("home", "ok", str(settings.home))]
    return [
        Diagnosis("home", "fail", f"{folder} cannot be written", "set AUGMENT_OPS_HOME to a folder that can be written")
    ]


def _disk(settings: Settings) -> list[Diagnosis]:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    return [_enough("disk", free, _DISK_GB, "free space, or set AUGMENT_OPS_HOME to another disk")]


def _memory(_: Settings) -> list[Diagnosis]:
    available = psutil.virtual_memory().available / 1e9
    return [_enough("memory", available, _MEMORY_GB, "end other programs; the stack and a training take 2 to 3 GB")]


def _enough(check: str, gigabytes: float, limits: tuple[float, float], fix: str) -> Diagnosis:
    least, comfortable = limits
    found = f"{gigabytes:.1f} GB available"
    if gigabytes < least:
        return Diagnosis(check, "fail", found, fix)
    return Diagnosis(check, "ok", found) if gigabytes >= comfortable else Diagnosis(check, "warn", found, fix)


def _processors(_: Settings) -> list[Diagnosis]:
    if usable_cores() > 1:
        return [Diagnosis("processors", "ok", str(usable_cores()))]
    return [Diagnosis("processors", "warn", "1", "it works, but starting takes about a minute")]


def _policies(settings: Settings) -> list[Diagnosis]:
    everybody = people(settings.policies)
    findings = [Diagnosis("approvers", "ok", ", ".join(person.id for person in everybody if person.roles) or "nobody")]
    findings += [_witness(settings), _rules(settings), _heads(settings)]
    files = sorted((settings.policies / "augment").glob("*.yaml"))
    if not files:
        return [
            *findings,
            Diagnosis("policies", "fail", f"no file in {settings.policies / 'augment'}", _restore("policies/")),
        ]
    return [*findings, *_loaded(files)]


def _witness(settings: Settings) -> Diagnosis:
    """Whether approvals that people give in this Airflow count.

    Where they do not, nobody is asked here about a policy, nor about a model for a protected environment: such a run
    does not begin. Below, its word counts unnamed.
    """
    path = witness_path(settings.keys)
    if not path.exists():
        return Diagnosis("witness", "ok", "no key yet: augment-ops up makes it")
    public = load(path).public
    if public in Approvals.load(settings.policies).witness_keys("airflow"):
        return Diagnosis("witness", "ok", f"airflow {fingerprint(public)}")
    line = f'witnesses: {{airflow: ["{public}"]}}'
    fix = f"for approvals in this UI to count: {rules.INIT}, or write into policies/approvers.yaml: {line}"
    found = f"airflow {fingerprint(public)}, which approvers.yaml does not name: nobody is asked here about a policy"
    return Diagnosis("witness", "warn", found, fix)


def _rules(settings: Settings) -> Diagnosis:
    """Whether runs for production stand on rules that their owner has signed."""
    root = rules.read_root(settings.policies)
    entries = open_ledger(settings).entries_under(rules.ENTERED_UNDER) if has_ledger(settings) else None
    known = None if entries is None else rules.in_force(entries)
    if root is None and known is None:
        return Diagnosis(
            "rules", "ok", "nobody has signed them: dev and staging run, production is refused", rules.INIT
        )
    faults = rules.standing_faults(settings.policies, root, known)
    if root is not None:
        faults = faults or rules.changes(root, rules.pinned(settings.policies))
    if root is None or faults:
        found = "; ".join(f"{fault.where}: {fault.found}" for fault in faults[:_SHOWN])
        return Diagnosis("rules", "warn", f"production is refused: {found}", faults[0].fix)
    return Diagnosis("rules", "ok", f"as {root.owner} signed them")


def _heads(settings: Settings) -> Diagnosis:
    """Whether somebody else knows the ledger's end; asked for where rules are signed."""
    places, fix = heads_noted(settings)
    signed = rules.read_root(settings.policies) is not None
    return Diagnosis("heads", "warn" if fix and signed else "ok", f"noted in {places}", fix)


def _loaded(files: list[Path]) -> list[Diagnosis]:
    from augment_ops import Policy

    faulty: list[Diagnosis] = []
    for path in files:
        try:
            Policy.load(path)
        except AugmentOpsError as error:
            faulty.append(Diagnosis("policies", "fail", f"{path.name}: {len(error.faults)} faults", str(error)))
    return faulty or [Diagnosis("policies", "ok", ", ".join(path.stem for path in files))]


def _dags(_: Settings) -> list[Diagnosis]:
    folder = dags_folder()
    names = ", ".join(path.stem for path in sorted(folder.glob("*.py")))
    if names:
        return [Diagnosis("dags", "ok", f"{names} in {folder}")]
    return [Diagnosis("dags", "fail", f"no DAG file in {folder}", f"{_restore('dags/')}, or set AUGMENT_OPS_DAGS")]


def _stack(settings: Settings) -> list[Diagnosis]:
    layout = layout_of(settings)
    known = processes.records(layout)
    dead = [name for name, record in known.items() if processes.leader(layout, record) is None]
    if dead:
        return [Diagnosis("stack", "warn", f"ended by itself: {', '.join(dead)}", "augment-ops up starts it again")]
    strays = [] if known else processes.members(layout)
    if strays:
        return [Diagnosis("stack", "warn", f"{len(strays)} processes without a record", "augment-ops down ends them")]
    return [Diagnosis("stack", "ok", "running" if known else "not running")]


def _browser(_: Settings) -> list[Diagnosis]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return [Diagnosis("browser", "ok", found)]
    fix = f"only tests/e2e need it: {Path(sys.executable).parent / 'playwright'} install chromium"
    return [Diagnosis("browser", "ok", "no chromium on PATH", fix)]
