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
from augment_ops.pipeline.office import Office
from augment_ops.pipeline.policy_acts import AIRFLOW
from augment_ops.pipeline.rules import noted_fault

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
class Change:
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


def initialise(office: Office) -> Initialised:
    """Sign the rules as they stand, enter that, and note it in MLflow. Safe to repeat: it completes what was cut off.

    Raises:
        GovernanceError: nobody is named, there is no key, or the ledger, the document beside the rules and MLflow are
            not of one installation.
    """
    office.identify(INIT)
    policies, known, did = office.settings.policies, office.in_force, []
    root = read_root(policies)
    if root is None and known is None:
        _check_unclaimed(office)
        signer = _signer(office)
        if trust_witness(policies, AIRFLOW, ensure(witness_path(office.settings.keys)).public):
            did.append("approvers.yaml: the key of this Airflow is a witness now: what people answer there counts")
        root = _keep(office, _drafted(office, signer.public, secrets.token_hex(16)), signer)
        did.append(f"{policies / 'governance.yaml'}: the rules as they stand, signed by {office.actor}: commit it")
    cut_off = root is not None and (known is None or (root.previous, root.number) == (known.digest, known.number + 1))
    if root is None or not cut_off:
        root = _checked(office)
    else:
        _enter(office, root, "the rules as they stand")
        did.append(f"the ledger: root document {root.number} is in force; what counts above dev is signed from now on")
    if _note(office, root):
        did.append(f"MLflow: root document {root.number} is noted ({root.digest[:_SHOWN]}…)")
    return Initialised(root, tuple(did))


def sign(office: Office, reason: str, seen: str) -> Change:
    """Put changed rules in force, once their owner has said that these are the ones.

    Args:
        seen: what an earlier call gave for the changes that it showed; anything else signs nothing.

    Raises:
        GovernanceError: not the owner's key, or the document beside the rules is not the one in force.
    """
    office.identify("governance sign")
    root, known = _checked(office), _known(office)
    lines = _differences(office, root)
    new = _drafted(office, known.next_key, root.installation, root)
    if known.next_key == root.key:
        new = new.model_copy(update={"owner": root.owner})
    asked = new.digest[:_SHOWN] if lines else ""
    if not lines or seen != asked:
        return Change(root, tuple(lines), asked, not lines)
    written = _keep(office, new, _owners(office, known.next_key, new.owner))
    _enter(office, written, reason)
    _note(office, written)
    return Change(written, tuple(lines), asked, True)


def hand_over(office: Office, to: str, reason: str) -> Entry:
    """Enter that another key signs the rules from now on; its owner signs them next.

    The document stays in force as it is. What the former key signs from here on counts for nothing.

    Args:
        to: public key, of another person or a new one of the same.

    Raises:
        InputError: no public key.
        GovernanceError: not the owner's key, or the document beside the rules is not the one in force.
    """
    office.identify("governance hand-over")
    try:
        public = canonical(to)
    except ValueError as error:
        raise InputError("--to", f"{to!r:.80}", str(error), "give the public half of the key") from error
    root, known = _checked(office), _known(office)
    said = Act(HAND_OVER, office.actor, handing_over(known, public), reason, f"{HANDED_UNDER}{known.since}:{public}")
    signed = said.signed(_owners(office, known.next_key, root.owner))
    return office.ledger.append(said.act, said.actor, signed, reason, said.once)


def differences(office: Office) -> list[str]:
    """What changed in the rules since the owner signed them, for people; empty where they signed none."""
    root = read_root(office.settings.policies)
    return [] if root is None else _differences(office, root)


def unsettled(office: Office) -> list[Fault]:
    """Why no run for a protected environment is admitted today, beside changed rules; empty where nothing is wrong."""
    known = office.in_force
    faults = standing_faults(office.settings.policies, read_root(office.settings.policies), known)
    noted = noted_fault(office, known) if known is not None else None
    return [*faults, *([] if noted is None else [noted])]


def _checked(office: Office) -> Root:
    """The document in force.

    Raises:
        GovernanceError: the one beside the rules is another, or there is none.
    """
    root = read_root(office.settings.policies)
    faults = standing_faults(office.settings.policies, root, office.in_force)
    if root is None or faults:
        raise GovernanceError.of("the root document", faults)
    return root


def _check_unclaimed(office: Office) -> None:
    """Refuse to found an installation in front of an MLflow that has one: its registry is that one's."""
    other = next(iter(office.tracker.noted_roots()), None)
    if other is not None:
        found, fix = (
            f"installation {other[:_SHOWN]}…",
            "restore policies/governance.yaml and the ledger of that installation",
        )
        raise GovernanceError("MLflow", found, "an MLflow that no installation has signed rules for", fix)


def _signer(office: Office) -> Signer:
    return signer_of(office.actor, trusted_keys(office.approvals, office.actor), office.key)


def _known(office: Office) -> InForce:
    """What the ledger says is in force, where `_checked` has found that it is."""
    known = office.in_force
    if known is None:
        raise GovernanceError.of("the root document", standing_faults(office.settings.policies, None, None))
    return known


def _owners(office: Office, key: str, owner: str) -> Signer:
    """The owner's key, wherever the actor has it.

    Raises:
        GovernanceError: it is another's.
    """
    signer = _signer(office)
    if signer.public != key:
        found = f"{signer.public} of {office.actor}"
        fix = f"ask {owner} to do it; --key or AUGMENT_OPS_KEY names the file of a key"
        raise GovernanceError("key of the owner", found, f"{key} of {owner}", fix)
    return signer


def _drafted(office: Office, key: str, installation: str, before: Root | None = None) -> Root:
    """The rules as they stand, to be signed."""
    approvals = Office(office.settings, office.actor).approvals  # read anew: a witness may have been added
    return Root(
        installation=installation,
        number=1 if before is None else before.number + 1,
        previous="" if before is None else before.digest,
        owner=office.actor,
        key=key,
        protected=[name for name in approvals.environments if approvals.is_protected(name)],
        files=pinned(office.settings.policies),
    )


def _keep(office: Office, root: Root, signer: Signer) -> Root:
    """Sign the document and put it beside the rules; their texts go into the store, to show what changes later."""
    policies = office.settings.policies
    for name in root.files:
        office.store.put(rule_text(policies / name))
    signed = root.signed(signer)
    write_root(policies, signed)
    return signed


def _enter(office: Office, root: Root, reason: str) -> None:
    act, once = RULES if root.previous else ROOT, f"{ENTERED_UNDER}{root.digest}"
    said = Act(act, office.actor, root.subjects(), reason, once)
    office.ledger.append(act, office.actor, said.signed(_owners(office, root.key, root.owner)), reason, once)


def _note(office: Office, root: Root) -> bool:
    """Note the document in MLflow; whether it was not noted yet.

    Raises:
        GovernanceError: MLflow is of another installation, or knows a later document.
    """
    noted = office.tracker.noted_roots()
    number, digest = noted.get(root.installation, (0, ""))
    if noted.keys() - {root.installation} or number > root.number:
        found = f"root document {number} ({digest[:_SHOWN]}…)" if number else "another installation"
        fix = "use the ledger, the policies and the MLflow of one installation; restore a ledger that lost its end"
        raise GovernanceError(
            "MLflow", found, f"at most {root.number} of installation {root.installation[:_SHOWN]}…", fix
        )
    if (number, digest) == (root.number, root.digest):
        return False
    office.tracker.note_root(root.digest, root.number, root.installation)
    return True


def _differences(office: Office, root: Root) -> list[str]:
    present = pinned(office.settings.policies)
    names = [name for name in sorted({*root.files, *present}) if root.files.get(name) != present.get(name)]
    lines = [line for name in names for line in _difference(office, name, root.files.get(name), name in present)]
    now = _drafted(office, root.key, root.installation).protected
    if now != root.protected:
        lines.append(f"protected: {root.protected} → {now}")
    known = office.in_force
    if known is not None and known.next_key != root.key:
        lines.append(f"key: {root.key} → {known.next_key}, to which it was handed over")
    return lines


def _difference(office: Office, name: str, signed: str | None, is_there: bool) -> list[str]:
    try:
        before = office.store.get(signed).decode(errors="replace").splitlines() if signed else []
    except StoreError:
        return [f"policies/{name}: changed; the text that was signed is not in this store"]
    after = rule_text(office.settings.policies / name).decode(errors="replace").splitlines() if is_there else []
    names = (f"policies/{name}, as signed" if signed else "no such file", f"policies/{name}" if is_there else "removed")
    return list(difflib.unified_diff(before, after, *names, n=_CONTEXT, lineterm=""))
