"""What the owner of an installation does: sign its rules for the first time, and again when they have changed."""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass

from augment_ops.errors import Fault, GovernanceError, InputError, StoreError
from augment_ops.governance.acts import HAND_OVER, ROOT, RULES, Act, trusted_keys
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import canonical, ensure, witness_path
from augment_ops.governance.root import (
    ENTERED_UNDER,
    INIT,
    InForce,
    Root,
    handing_over,
    pinned,
    read_root,
    rule_text,
    standing_faults,
    write_root,
)
from augment_ops.governance.signers import Signer, signer_of
from augment_ops.governance.witnesses import trust_witness
from augment_ops.lifecycle.acts import AIRFLOW
from augment_ops.lifecycle.rules import noted_fault
from augment_ops.workspace import Workspace

HANDED_UNDER = f"{ENTERED_UNDER}hand-over:"
_SHOWN = 12  # digits of a digest, by which people tell two apart
_CONTEXT = 1  # lines around a change: a rule is a line


@dataclass(frozen=True)
class Initialised:
    """What `initialise` found and did.

    Attributes:
        did: each thing that was done now, for people; empty where all of it was done before.
    """

    root: Root
    did: tuple[str, ...]


@dataclass(frozen=True)
class RulesChange:
    """What the owner is asked to sign, or has signed.

    Attributes:
        root: the document in force now.
        lines: what changed, as a unified diff where the earlier text is known.
        seen: stands for exactly these changes; the owner repeats it to sign them. Empty where nothing changed.
        signed: whether they are in force now.
    """

    root: Root
    lines: tuple[str, ...]
    seen: str
    signed: bool


def initialise(workspace: Workspace) -> Initialised:
    """Sign the rules as they stand, enter that, and note it in MLflow. Safe to repeat: it completes what was cut off.

    Raises:
        GovernanceError: nobody is named, there is no key, or the ledger, the document beside the rules and MLflow are
            not of one installation.
    """
    workspace.identify(INIT)
    policies, known, did = workspace.settings.policies, workspace.in_force, []
    root = read_root(policies)
    if root is None and known is None:
        _check_unclaimed(workspace)
        signer = _signer(workspace)
        if trust_witness(policies, AIRFLOW, ensure(witness_path(workspace.settings.keys)).public):
            did.append("approvers.yaml: the key of this Airflow is a witness now: what people answer there counts")
        root = _keep(workspace, _drafted(workspace, signer.public, secrets.token_hex(16)), signer)
        did.append(f"{policies / 'governance.yaml'}: the rules as they stand, signed by {workspace.actor}: commit it")
    cut_off = root is not None and (known is None or (root.previous, root.number) == (known.digest, known.number + 1))
    if root is None or not cut_off:
        root = _checked(workspace)
    else:
        _enter(workspace, root, "the rules as they stand")
        did.append(f"the ledger: root document {root.number} is in force; what counts above dev is signed from now on")
    if _note(workspace, root):
        did.append(f"MLflow: root document {root.number} is noted ({root.digest[:_SHOWN]}…)")
    return Initialised(root, tuple(did))


def sign(workspace: Workspace, reason: str, seen: str) -> RulesChange:
    """Put changed rules in force, once their owner has said that these are the ones.

    Args:
        seen: what an earlier call gave for the changes that it showed; anything else signs nothing.

    Raises:
        GovernanceError: not the owner's key, or the document beside the rules is not the one in force.
    """
    workspace.identify("governance sign")
    root, known = _checked(workspace), _known(workspace)
    lines = _differences(workspace, root)
    new = _drafted(workspace, known.next_key, root.installation, root)
    if known.next_key == root.key:
        new = new.model_copy(update={"owner": root.owner})
    asked = new.digest[:_SHOWN] if lines else ""
    if not lines or seen != asked:
        return RulesChange(root, tuple(lines), asked, not lines)
    written = _keep(workspace, new, _owners(workspace, known.next_key, new.owner))
    _enter(workspace, written, reason)
    _note(workspace, written)
    return RulesChange(written, tuple(lines), asked, True)


def hand_over(workspace: Workspace, to: str, reason: str) -> Entry:
    """Enter that another key signs the rules from now on; its owner signs them next.

    The document stays in force as it is. What the former key signs from here on counts for nothing.

    Args:
        to: public key, of another person or a new one of the same.

    Raises:
        InputError: no public key.
        GovernanceError: not the owner's key, or the document beside the rules is not the one in force.
    """
    workspace.identify("governance hand-over")
    try:
        public = canonical(to)
    except ValueError as error:
        raise InputError("--to", f"{to!r:.80}", str(error), "give the public half of the key") from error
    root, known = _checked(workspace), _known(workspace)
    said = Act(HAND_OVER, workspace.actor, handing_over(known, public), reason, f"{HANDED_UNDER}{known.since}:{public}")
    signed = said.signed(_owners(workspace, known.next_key, root.owner))
    return workspace.ledger.append(said.act, said.actor, signed, reason, said.once)


def differences(workspace: Workspace) -> list[str]:
    """What changed in the rules since the owner signed them, for people; empty where they signed none."""
    root = read_root(workspace.settings.policies)
    return [] if root is None else _differences(workspace, root)


def unsettled(workspace: Workspace) -> list[Fault]:
    """Why no run for a protected environment is admitted today, beside changed rules; empty where nothing is wrong."""
    known = workspace.in_force
    faults = standing_faults(workspace.settings.policies, read_root(workspace.settings.policies), known)
    noted = noted_fault(workspace, known) if known is not None else None
    return [*faults, *([] if noted is None else [noted])]


def _checked(workspace: Workspace) -> Root:
    """The document in force.

    Raises:
        GovernanceError: the one beside the rules is another, or there is none.
    """
    root = read_root(workspace.settings.policies)
    faults = standing_faults(workspace.settings.policies, root, workspace.in_force)
    if root is None or faults:
        raise GovernanceError.of("the root document", faults)
    return root


def _check_unclaimed(workspace: Workspace) -> None:
    """Refuse to found an installation in front of an MLflow that has one: its registry is that one's."""
    other = next(iter(workspace.tracker.noted_roots()), None)
    if other is not None:
        found, fix = (
            f"installation {other[:_SHOWN]}…",
            "restore policies/governance.yaml and the ledger of that installation",
        )
        raise GovernanceError("MLflow", found, "an MLflow that no installation has signed rules for", fix)


def _signer(workspace: Workspace) -> Signer:
    return signer_of(workspace.actor, trusted_keys(workspace.approvals, workspace.actor), workspace.key)


def _known(workspace: Workspace) -> InForce:
    """What the ledger says is in force, where `_checked` has found that it is."""
    known = workspace.in_force
    if known is None:
        raise GovernanceError.of("the root document", standing_faults(workspace.settings.policies, None, None))
    return known


def _owners(workspace: Workspace, key: str, owner: str) -> Signer:
    """The owner's key, wherever the actor has it.

    Raises:
        GovernanceError: it is another's.
    """
    signer = _signer(workspace)
    if signer.public != key:
        found = f"{signer.public} of {workspace.actor}"
        fix = f"ask {owner} to do it; --key or AUGMENT_OPS_KEY names the file of a key"
        raise GovernanceError("key of the owner", found, f"{key} of {owner}", fix)
    return signer


def _drafted(workspace: Workspace, key: str, installation: str, before: Root | None = None) -> Root:
    """The rules as they stand, to be signed."""
    approvals = Workspace(workspace.settings, workspace.actor).approvals  # read anew: a witness may have been added
    return Root(
        installation=installation,
        number=1 if before is None else before.number + 1,
        previous="" if before is None else before.digest,
        owner=workspace.actor,
        key=key,
        protected=[name for name in approvals.environments if approvals.is_protected(name)],
        files=pinned(workspace.settings.policies),
    )


def _keep(workspace: Workspace, root: Root, signer: Signer) -> Root:
    """Sign the document and put it beside the rules; their texts go into the store, to show what changes later."""
    policies = workspace.settings.policies
    for name in root.files:
        workspace.store.put(rule_text(policies / name))
    signed = root.signed(signer)
    write_root(policies, signed)
    return signed


def _enter(workspace: Workspace, root: Root, reason: str) -> None:
    act, once = RULES if root.previous else ROOT, f"{ENTERED_UNDER}{root.digest}"
    said = Act(act, workspace.actor, root.subjects(), reason, once)
    workspace.ledger.append(act, workspace.actor, said.signed(_owners(workspace, root.key, root.owner)), reason, once)


def _note(workspace: Workspace, root: Root) -> bool:
    """Note the document in MLflow; whether it was not noted yet.

    Raises:
        GovernanceError: MLflow is of another installation, or knows a later document.
    """
    noted = workspace.tracker.noted_roots()
    number, digest = noted.get(root.installation, (0, ""))
    if noted.keys() - {root.installation} or number > root.number:
        found = f"root document {number} ({digest[:_SHOWN]}…)" if number else "another installation"
        fix = "use the ledger, the policies and the MLflow of one installation; restore a ledger that lost its end"
        raise GovernanceError(
            "MLflow", found, f"at most {root.number} of installation {root.installation[:_SHOWN]}…", fix
        )
    if (number, digest) == (root.number, root.digest):
        return False
    workspace.tracker.note_root(root.digest, root.number, root.installation)
    return True


def _differences(workspace: Workspace, root: Root) -> list[str]:
    present = pinned(workspace.settings.policies)
    names = [name for name in sorted({*root.files, *present}) if root.files.get(name) != present.get(name)]
    lines = [line for name in names for line in _difference(workspace, name, root.files.get(name), name in present)]
    now = _drafted(workspace, root.key, root.installation).protected
    if now != root.protected:
        lines.append(f"protected: {root.protected} → {now}")
    known = workspace.in_force
    if known is not None and known.next_key != root.key:
        lines.append(f"key: {root.key} → {known.next_key}, to which it was handed over")
    return lines


def _difference(workspace: Workspace, name: str, signed: str | None, is_there: bool) -> list[str]:
    try:
        before = workspace.store.get(signed).decode(errors="replace").splitlines() if signed else []
    except StoreError:
        return [f"policies/{name}: changed; the text that was signed is not in this store"]
    after = rule_text(workspace.settings.policies / name).decode(errors="replace").splitlines() if is_there else []
    names = (f"policies/{name}, as signed" if signed else "no such file", f"policies/{name}" if is_there else "removed")
    return list(difflib.unified_diff(before, after, *names, n=_CONTEXT, lineterm=""))
