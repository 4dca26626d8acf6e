"""What is asked for, and all that refuses it before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augment_ops.content import from_json
from augment_ops.data.sources.parts import TABLES
from augment_ops.delivery.batch_file.manifest import BatchFileManifest, manifest_path
from augment_ops.errors import Fault, InputError, StoreError
from augment_ops.policy.spec import Policy

ARCHIVES = (".tar.gz", ".tgz")


@dataclass(frozen=True, kw_only=True)
class BatchFileRequest:
    """A file to be multiplied.

    Attributes:
        input: a path or URI, as the modality's codec opens it.
        output: on this machine; its ending says its form, and a name without one is that of a folder.
        policy: admitted to `environment`.
        factor: how often each sample is in the output: once as it is, the other times as a copy.
        seed: of the copies' keys.
        asked: the modality's own parameters, all of them.
        allow_outside: whether links and index entries may lead outside the input's folder.
        force: whether an output that is there is replaced.
        approved_by: whose approvals counted.
    """

    input: str
    output: Path
    policy: Policy
    factor: int
    seed: int
    asked: Mapping[str, Any] = field(default_factory=dict)
    allow_outside: bool = False
    force: bool = False
    environment: str = "dev"
    approved_by: tuple[str, ...] = ()


def factor_of(text: str) -> int:
    """A factor as somebody wrote it.

    Raises:
        InputError: not a whole number of at least 1. A part of a copy is a choice of rows: make the copies, and choose.
    """
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        fix = "give 3 for each row three times: as it is, and two augmented copies"
        raise InputError("--factor", repr(text)[:40], "a whole number of at least 1", fix)
    return int(text)


def check_output(request: BatchFileRequest, *, tables: bool) -> None:
    """Refuse an output that cannot be written, would destroy something, or change labels. All faults at once.

    Args:
        tables: whether samples are rows of a table; else each is a file.

    Raises:
        InputError: one of those.
    """
    output = request.output
    faults = [*_mixing_faults(request.policy), *_form_faults(output, tables=tables), *_place_faults(request)]
    if not faults and output.exists():
        faults = _replacing_faults(output, force=request.force)
    if faults:
        raise InputError.of("augment", faults)


def _mixing_faults(policy: Policy) -> list[Fault]:
    if policy.mixing is None:
        return []
    found, fix = "mixing, which mixes labels too", "name a policy without it, and mix where you train"
    return [Fault(f"policy {policy.name}", found, "a policy that leaves labels as they are", fix)]


def _form_faults(output: Path, *, tables: bool) -> list[Fault]:
    name = output.name.lower()
    if tables:
        fits, forms, such = name.endswith(TABLES), " | ".join(TABLES), "out.parquet"
    else:
        fits = name.endswith(ARCHIVES) or not output.suffix
        forms, such = f"a folder (no ending) | {' | '.join(ARCHIVES)}", "photos-augmented"
    return [] if fits else [Fault(str(output), f"the ending {output.suffix!r}", forms, f"name it {such}, say")]


def _place_faults(request: BatchFileRequest) -> list[Fault]:
    output = request.output
    if ":/" in str(output):  # a path has lost the second slash
        return [Fault(str(output), "a URI", "a place on this machine", "write it here and copy it")]
    if not output.absolute().parent.is_dir():
        return [Fault(str(output), f"no folder {output.parent}", "a folder that is there", f"mkdir -p {output.parent}")]
    if "://" in request.input:
        return []
    given, made = Path(request.input).resolve(), output.resolve()
    if made == given or made.is_relative_to(given) or given.is_relative_to(made):
        found = "the input itself" if made == given else "one of both inside the other"
        return [Fault(str(output), found, "another place than the input's", "choose another --output")]
    return []


def _replacing_faults(output: Path, *, force: bool) -> list[Fault]:
    if not force:
        fix = "choose another --output; --force replaces it"
        return [Fault(str(output), "something of that name", "a name that is free", fix)]
    if output.is_dir() and not _is_ours(output):
        found = "a folder without a manifest of this command beside it"
        return [Fault(str(output), found, "a folder that this command wrote", "remove it yourself, or choose another")]
    return []


def _is_ours(output: Path) -> bool:
    try:
        return from_json(BatchFileManifest, manifest_path(output).read_bytes()).output == output.name
    except (OSError, StoreError):
        return False
