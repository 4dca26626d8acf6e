"""What an auditor checks: that the chain of entries is whole and signed, and holds what was noted elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import RowMapping

from augment_ops.errors import Fault, GovernanceError
from augment_ops.governance.chain import GENESIS, Entry, entry_of, hash_of
from augment_ops.governance.dating import Dating
from augment_ops.governance.signatures import WHO, Signers
from augment_ops.governance.witness import Head, Witness

REPORT = "the report"  # how anchors begin that lie in the installation's own state
RESTORE = "restore the ledger from a backup, and find out who changed it"
_MOST = 50  # faults; who needs more has lost the ledger


@dataclass(frozen=True)
class Noted:
    """A head that was noted outside the ledger.

    Attributes:
        where: who has noted it.
        signer: with which key the entry was signed then; empty where that is not known.
    """

    where: str
    signer: str = ""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """The newest entry that a witness has noted.

    Attributes:
        outside: whether the witness lies elsewhere than the installation's own state.
        seq: number of the entry; 0 where it has noted none.
        at: when it noted it, UTC, ISO 8601; of anchors, the time of the entry; empty where it has noted none.
        lacking: entries that came after it.
    """

    witness: str
    outside: bool
    seq: int
    at: str
    lacking: int


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What verification found.

    Attributes:
        faults: empty where the ledger is whole.
        size: entries.
        tip: the newest one, with its own time; None in an empty ledger.
        signed: entries that have a signature.
        heads: noted heads that it was held against.
        sightings: one a witness that answered, and one for what runs in MLflow have noted, where they have.
        warnings: what is no fault and should be known.
        entries: those that were verified, where they were asked for.
    """

    faults: list[Fault]
    size: int
    tip: Head | None
    signed: int
    heads: int
    sightings: list[Sighting]
    warnings: list[str]
    entries: list[Entry]


class Heads:
    """Heads that were noted outside, and which of them were seen in the ledger.

    Args:
        anchors: hashes of entries → where they were noted, from a caller who asked.
    """

    def __init__(self, witnesses: Iterable[Witness], anchors: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self.dating = Dating()
        self._noted = {anchor: Noted(where) for anchor, where in anchors.items() if anchor != GENESIS}
        self._anchors = set(self._noted)
        self._newest: dict[str, tuple[bool, int, str]] = {}
        self._seen: tuple[int, str] = (0, "")  # of the anchors
        for witness in witnesses:
            self._ask(witness)
        self.size = len(self._noted)

    def _ask(self, witness: Witness) -> None:
        newest, noted, stamped = (0, ""), Noted(witness.name), list[Head]()
        try:
            for head in witness.heads():
                if head.signer != noted.signer:  # one value for all heads of a key: there may be a million
                    noted = Noted(witness.name, head.signer)
                known = self._noted.get(head.hash)
                if known is None or (head.signer and not known.signer):
                    self._noted[head.hash] = noted
                newest = max(newest, (head.seq, head.at))
                stamped += [head] if head.token else []
        except GovernanceError as silent:
            self.faults += silent.faults
        else:
            self._newest[witness.name] = (witness.outside, *newest)
            self.dating.know(stamped)

    def see(self, where: str, row: RowMapping) -> list[Fault]:
        """Strike the head of this row off what is to be found; what is wrong with who signed it."""
        self.dating.see(row)
        noted = self._noted.pop(row["hash"], None)
        if noted is None:
            return []
        if row["hash"] in self._anchors and not noted.where.startswith(REPORT):
            self._seen = (row["seq"], row["at"])
        if not noted.signer or noted.signer == row["signer"]:
            return []
        expected = f"the signature of {noted.signer[:60]}, with which {noted.where} knows it"
        return [Fault(f"{where}, entry {row['seq']}", f"signed by {str(row['signer'])[:60]}", expected, WHO)]

    def missing(self, where: str) -> list[Fault]:
        """A fault for each head that no row had."""
        return [
            Fault(where, "no such entry", f"the entry {hashed[:12]}… that {noted.where} has noted", RESTORE)
            for hashed, noted in self._noted.items()
        ]

    def sightings(self, size: int) -> list[Sighting]:
        """The newest head of each witness that answered, and of the anchors.

        Args:
            size: number of the newest entry.
        """
        newest = dict(self._newest)
        if self._seen[0]:
            newest["MLflow and --anchor"] = (True, *self._seen)
        return [
            Sighting(witness=name, outside=outside, seq=seq, at=at, lacking=max(0, size - seq))
            for name, (outside, seq, at) in newest.items()
        ]


def check_chain(
    where: str, rows: Iterable[RowMapping], heads: Heads, signers: Signers, *, collect: bool = False
) -> Audited:
    """Recompute the chain over rows in order.

    Args:
        where: names the ledger.
        collect: keep the entries.

    Returns:
        What is wrong, at most 50 faults: altered, removed, moved or inserted entries by number, signatures that are
        missing or of others, and heads that no entry answers to.
    """
    faults: list[Fault] = list(heads.faults)
    entries: list[Entry] = []
    before, at, expected, size, signed, row = GENESIS, "", 1, 0, 0, None
    for row in rows:
        if len(faults) < _MOST:
            faults += _entry_faults(where, row, before, at, expected)
            faults += [*signers.see(row), *heads.see(where, row)]
            if collect and not faults:
                entries.append(entry_of(row))
        before, at = str(row["hash"]), str(row["at"])
        expected = (row["seq"] if isinstance(row["seq"], int) else expected) + 1
        size, signed = size + 1, signed + (row["signer"] is not None)
    faults += [*signers.end(), *heads.missing(where)]
    return Audited(
        faults=faults[:_MOST],
        size=size,
        tip=None if row is None else head_of(row),
        signed=signed,
        heads=heads.size,
        sightings=heads.sightings(expected - 1),
        warnings=heads.dating.warnings,
        entries=entries,
    )


def head_of(row: RowMapping) -> Head:
    """The entry of a row of `SIGNED`, with its own time."""
    return Head(seq=row["seq"], hash=row["hash"], signer=row["signer"] or "", at=row["at"])


def _entry_faults(where: str, row: RowMapping, before: str, at: str, expected: int) -> list[Fault]:
    place = f"{where}, entry {row['seq']}"
    faults = []
    if row["seq"] != expected:
        faults.append(
            Fault(place, f"number {row['seq']}", f"number {expected}: entries were removed or moved", RESTORE)
        )
    if row["prev_hash"] != before:
        found, wanted = str(row["prev_hash"])[:12], before[:12]
        faults.append(Fault(place, f"link {found}…", f"{wanted}…, the hash of the entry before", RESTORE))
    try:
        hashed = hash_of(row["prev_hash"], row)
    except (TypeError, AttributeError):
        hashed = None  # a column that holds no text was not written by us
    if hashed != row["hash"]:
        faults.append(Fault(place, f"hash {str(row['hash'])[:12]}…", "that of its content: it was altered", RESTORE))
    elif str(row["at"]) < at:
        faults.append(Fault(place, f"time {row['at']}", f"{at} or later, as the entry before says", RESTORE))
    return faults
