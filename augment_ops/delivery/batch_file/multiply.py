"""From a file of samples and a policy to a file of samples and their copies: with its manifest, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path

from augment_ops import __version__, scratch
from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.fingerprint import contents_digest
from augment_ops.data.sources.locate import Place, locate
from augment_ops.data.sources.originals import Originals, changed
from augment_ops.data.sources.parts import ROWS_AT_ONCE
from augment_ops.delivery.batch_file.manifest import COPY, BatchFileManifest, manifest_path
from augment_ops.delivery.batch_file.population import Account, read_table
from augment_ops.delivery.batch_file.request import BatchFileRequest, check_output
from augment_ops.delivery.batch_file.tables import TableCopies
from augment_ops.delivery.batch_file.trees import COLUMNS, FolderTree, TarTree, TreeCopies
from augment_ops.errors import DataError
from augment_ops.files import write_durably
from augment_ops.modalities import modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.codec import Decoder, Reading, SampleCells
from augment_ops.modalities.source import Source
from augment_ops.progress import Advance, unheard


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What was written, and what is said of it."""

    account: Account
    unchanged: int
    engine: str
    columns: tuple[tuple[str, str], ...]


def multiply(
    request: BatchFileRequest, *, rows_at_once: int = ROWS_AT_ONCE, advance: Advance = unheard
) -> BatchFileManifest:
    """Write each sample of a file again, with factor - 1 augmented copies below it, and a manifest beside the output.

    A copy is a function of (policy digest, seed, number of the copy, id of its original), as everywhere: the same key
    gives the same bytes. Samples of validation and test are written without copies. Everything lies in a hidden folder
    beside the output until it is whole; a killed process leaves that folder, which the next one takes away. The
    manifest gets its name first: where the output is, its manifest is.

    Args:
        rows_at_once: of a table that are augmented; another number gives the same bytes.
        advance: told how many samples are done; what comes next is `reading` while nothing is written.

    Raises:
        InputError: what is asked for cannot be, see `check_output`.
        DataError: the input cannot be read, has samples that cannot be used, one class, or changes meanwhile.
        TransformError: two samples of one id, or the policy does not fit the samples.
        OSError: the disk is full, or not to be written to.
    """
    kind = modality(request.policy.modality)
    source = kind.codec.open(request.input, request.asked, allow_outside=request.allow_outside)
    cells = kind.codec.cells(request.asked, source)
    check_output(request, tables=cells is not None)
    place = locate(request.input, kind.plural)
    if cells is not None and place.is_folder:
        raise DataError(request.input, "a folder of tables", "one table", "give one of them: train.csv, say")
    output = request.output.absolute()
    with scratch.folder(f".{output.name}.unfinished", output.parent) as folder:
        read = _digest(place, source)
        work = _OneFile(request=request, kind=kind, source=source, folder=folder, advance=advance)
        unfinished = folder / output.name
        made = work.tree(unfinished) if cells is None else work.table(unfinished, place, cells, rows_at_once)
        if _digest(place, source) != read:
            raise changed(request.input)
        manifest = _manifest(request, kind, source, made, read, unfinished)
        write_durably(folder / manifest_path(output).name, [canonical_json(manifest)])
        _give_names(folder, output)
    return manifest


@dataclass(frozen=True, kw_only=True)
class _OneFile:
    """One file on its way."""

    request: BatchFileRequest
    kind: Modality
    source: Source
    folder: Path
    advance: Advance

    def table(self, path: Path, place: Place, cells: SampleCells, rows_at_once: int) -> _Made:
        """Write a table."""
        account = self._account()
        read = read_table(self.source, account, self.folder, self.advance)
        augmenter = self.kind.augmenter(self.request.policy, self.request.seed, read.population)
        copies = TableCopies(
            request=self.request,
            read=read,
            originals=Originals(place),
            cells=cells,
            augmenter=augmenter,
            rows_at_once=rows_at_once,
        )
        schema = copies.schema()
        unchanged = copies.write(path, schema, self.advance)
        columns = tuple((one.name, str(one.type)) for one in schema)
        return _Made(account=account, unchanged=unchanged, engine=augmenter.engine, columns=columns)

    def tree(self, path: Path) -> _Made:
        """Write a folder, or an archive."""
        account = self._account()
        augmenter = self.kind.augmenter(self.request.policy, self.request.seed)
        copies = TreeCopies(
            request=self.request,
            source=self.source,
            decoder=self._decoder,
            augmenter=augmenter,
            account=account,
        )
        with (TarTree if path.suffix else FolderTree)(path) as tree:
            unchanged = copies.write(tree, self.advance)
        columns = tuple((name, "int64" if name == COPY else "string") for name in COLUMNS)
        return _Made(account=account, unchanged=unchanged, engine=augmenter.engine, columns=columns)

    @property
    def _decoder(self) -> Decoder:
        return self.kind.codec.decoder(self.request.asked)

    def _account(self) -> Account:
        return Account(self.request.input, self.kind.codec, self._decoder)


def _manifest(
    request: BatchFileRequest, kind: Modality, source: Source, made: _Made, read: str, unfinished: Path
) -> BatchFileManifest:
    policy = request.policy
    left = source.leftovers
    reading = Reading(left.found(), left.empty, allow_outside=request.allow_outside)
    return BatchFileManifest(
        program=__version__,
        input=posixpath.basename(request.input.rstrip("/")),
        input_sha256=read,
        output=request.output.name,
        output_sha256=_digest_of_output(unfinished),
        modality=kind.name,
        policy=policy.name,
        policy_version=policy.version,
        policy_digest=policy.digest,
        seed=request.seed,
        engine=made.engine,
        factor=request.factor,
        environment=request.environment,
        approved_by=request.approved_by,
        counts=made.account.counts(request.factor, made.unchanged),
        classes=made.account.in_output(request.factor),
        columns=made.columns,
        notes=tuple(reading.notes(())),
    )


def _give_names(folder: Path, output: Path) -> None:
    """Move both to their places, the manifest first; what is replaced goes with the folder."""
    unfinished, manifest = folder / output.name, manifest_path(output)
    if unfinished.is_file():
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut could leave a name with holes behind it
    (folder / manifest.name).replace(manifest)
    if output.is_dir():
        output.rename(folder / f"{output.name}.replaced")
    unfinished.replace(output)


def _digest(place: Place, source: Source) -> str:
    """Of a file its sha256; of a folder, over all that is read of it."""
    return contents_digest(source) if place.is_folder else place.sha256()


def _digest_of_output(path: Path) -> str:
    """Of a file its sha256; of a folder that of the lines that `sha256sum` prints of its files, sorted by path."""
    if path.is_file():
        return _sha256(path)
    files = sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())
    lines = "".join(f"{_sha256(path / name)}  {name}\n" for name in files)
    return sha256_hex(lines.encode())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
