"""What lies beside a file with augmented copies: what it was made of, by which key, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

ENDING = ".manifest.json"
# The columns that the output has beyond those of the input, after them.
ID, SOURCE_ID, COPY = "augment_ops_id", "augment_ops_source_id", "augment_ops_copy"
_DIGITS = 16  # of a policy's digest in ids: 64 bits tell all policies apart; the manifest has the whole


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Of rows, or of images.

    Attributes:
        input: all that there were.
        augmented: those of them that have copies.
        passed: those that have none: of validation and test, which nothing may be made of.
        copies: how many were made.
        unchanged: copies that came out as their originals: no step of the policy was drawn, or had anything to do.
        output: originals and copies.
    """

    input: int = 0
    augmented: int = 0
    passed: int = 0
    copies: int = 0
    unchanged: int = 0
    output: int = 0


@dataclass(frozen=True, kw_only=True)
class BatchFileManifest:
    """The manifest. Equal keys and inputs give equal bytes of it: it holds no time and no folder.

    Attributes:
        program: version of augment-ops.
        input, output: names of both.
        input_sha256: of the file; of a folder, over the names and digests of all that is read of it.
        output_sha256: of the file; of a folder, over the lines `<sha256>  <path>` of its files, sorted by path.
        policy_digest, seed, engine: with the number of the copy and the id of the original, the key of each copy.
        environment: that the policy was admitted to; approved_by: whose approvals counted there.
        classes: class → how many of the output have it.
        columns: name and type of each column of the output, or of its index.
        notes: what was left out of the input.
    """

    NEWEST_FORMAT: ClassVar[int] = 1

    format: int = NEWEST_FORMAT
    program: str
    input: str
    input_sha256: str
    output: str
    output_sha256: str
    modality: str
    policy: str
    policy_version: str
    policy_digest: str
    seed: int
    engine: str
    factor: int
    environment: str
    approved_by: tuple[str, ...] = ()
    counts: Counts
    classes: dict[str, int] = field(default_factory=dict)
    columns: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(output.name + ENDING)


def copy_id(source_id: str, copy: int, policy_digest: str, seed: int) -> str:
    """The id of a copy, which names its original, its number and its key; that of an original (copy 0) is its own."""
    return f"{source_id}~{copy}~{policy_digest[:_DIGITS]}~{seed}" if copy else source_id
