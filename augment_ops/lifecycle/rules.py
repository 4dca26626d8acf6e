"""Whether a run stands on the rules that the owner has signed: asked before it begins, and until it promotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from augment_ops.errors import Fault, GovernanceError
from augment_ops.governance.root import (
    INIT,
    InForce,
    Root,
    additions,
    changes,
    digest_of_rules,
    is_rules,
    pinned,
    read_root,
    rule_name,
    standing_faults,
)
from augment_ops.policy.yaml_file import looked_at
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

_ABOUT = "the rules of environment"


def is_protected(workspace: Workspace, environment: str) -> bool:
    """Whether environments.yaml says so, or the owner has signed that it is.

    Raises:
        InputError: no such environment.
    """
    signed = workspace.in_force.protected if workspace.in_force is not None else ()
    return workspace.approvals.is_protected(environment) or environment in signed


def check_rules(workspace: Workspace, environment: str, used: Iterable[str] = ()) -> None:
    """Refuse rules that are not those of the root document in force, where the environment is protected.

    Args:
        used: files below policies/ that the run reads; the document has to name them.

    Raises:
        GovernanceError: there is no root document, it is not the one that the ledger names, or a file is not as it
            names it. All faults at once.
    """
    if not is_protected(workspace, environment):
        return
    policies = workspace.settings.policies
    root = read_root(policies)
    faults = standing_faults(policies, root, workspace.in_force)
    if root is not None and not faults:
        # Approvers and environments by the bytes that this process has read: what was put back since changes nothing.
        present = {**pinned(policies), **workspace.approvals.read}
        faults = [*_unprotected(root, environment), *changes(root, present), *additions(root, present, used)]
    if faults:
        raise GovernanceError.of(f"{_ABOUT} {environment}", faults)


def _unprotected(root: Root, environment: str) -> list[Fault]:
    if environment in root.protected:
        return []
    found, fix = f"only {', '.join(root.protected)}", "let the owner sign it: augment-ops governance sign"
    return [Fault("governance.yaml: protected", found, f"{environment}, which environments.yaml protects", fix)]


def check_noted(workspace: Workspace, environment: str) -> None:
    """Refuse to act on a registry that another installation, or other rules, were noted in.

    Raises:
        GovernanceError: MLflow has another root document as its newest, or none.
    """
    if workspace.in_force is None or not is_protected(workspace, environment):
        return
    fault = noted_fault(workspace, workspace.in_force)
    if fault is not None:
        raise GovernanceError.of(f"{_ABOUT} {environment}", [fault])


def noted_fault(workspace: Workspace, known: InForce) -> Fault | None:
    """Why MLflow is not that of the rules in force; None where it is."""
    noted = workspace.tracker.noted_roots()
    ours, where = noted.get(known.installation), "MLflow"
    wanted = f"root document {known.number} ({known.digest[:12]}…)"
    other = next((installation for installation in noted if installation != known.installation), None)
    if other is not None:
        fix = "use the ledger, the policies and the MLflow of one installation; one MLflow serves one installation"
        wanted = f"{known.installation[:12]}…, which the ledger names"
        return Fault(where, f"installation {other[:12]}… noted", wanted, fix)
    if ours is None:
        return Fault(where, "no root document noted", wanted, INIT)
    if ours != (known.number, known.digest):
        fix = f"a later one here: restore the ledger, which lost its end; an earlier one: {INIT}"
        return Fault(where, f"root document {ours[0]} ({ours[1][:12]}…) noted", wanted, fix)
    return None


def check_pinned(
    workspace: Workspace, environment: str, begun_with: Mapping[str, str], used: Iterable[str] = ()
) -> None:
    """Refuse rules that changed since a run for a protected environment began, or that nobody had signed then.

    Args:
        begun_with: file below policies/ → sha256, as `pinned` gave them when the run began.
        used: as `check_rules` takes it.

    Raises:
        GovernanceError: one changed, went or came; all of them at once.
    """
    if not begun_with or not is_protected(workspace, environment):
        return
    present = {**pinned(workspace.settings.policies), **workspace.approvals.read}
    changed = [name for name in sorted({*present, *begun_with}) if present.get(name) != begun_with.get(name)]
    if changed:
        raise GovernanceError.of(f"{_ABOUT} {environment}", [_changed(name) for name in changed])
    if workspace.in_force is None:
        return  # which resolve_policy refuses
    root = read_root(workspace.settings.policies)
    faults = standing_faults(workspace.settings.policies, root, workspace.in_force)
    if root is not None and not faults:  # a run may have begun while other rules stood there for a moment
        faults = [*changes(root, begun_with), *additions(root, begun_with, used)]
    if faults:
        raise GovernanceError.of(f"{_ABOUT} {environment}, with which the run began", faults)


def _changed(name: str) -> Fault:
    fix = "put it back and run the stage again, or start a new run"
    return Fault(f"policies/{name}", "another content", "that with which the run began", fix)


@contextmanager
def read_as_begun(
    workspace: Workspace,
    environment: str,
    begun_with: Mapping[str, str],
    refusals: Callable[[], AbstractContextManager[None]],
) -> Iterator[None]:
    """While it holds, rules are refused as they are read, where their bytes are not those with which the run began.

    What stands in a file before and after says nothing of what was read in between.

    Args:
        begun_with: as `check_pinned` takes it.
        refusals: enters what is refused.
    """
    policies = workspace.settings.policies

    def look(path: Path, data: bytes) -> None:
        name = rule_name(policies, path)
        if is_rules(name) and digest_of_rules(data) != begun_with.get(name):
            with refusals():
                raise GovernanceError.of(f"{_ABOUT} {environment}", [_changed(name)])

    with looked_at(look) if begun_with and is_protected(workspace, environment) else nullcontext():
        yield


def check_judged_by(settings: Settings, gate: str, rules_digest: str) -> None:
    """Refuse a decision by other rules than the gate's file holds now: it was loosened while the gate read it.

    Args:
        rules_digest: of the rules by which the gate judged.

    Raises:
        GovernanceError: they are others.
    """
    from augment_ops.gate.rules import load

    path = settings.policies / "gates" / f"{gate}.yaml"
    found = load(path).digest
    if found != rules_digest:
        fix = "start a new run; find out who changed the file while the gate decided"
        raise GovernanceError(
            f"policies/gates/{gate}.yaml", f"rules {found[:12]}…", f"{rules_digest[:12]}…, which judged", fix
        )
