"""Names that somebody gave (classes, columns, data sets, runs) as names of ours, which other systems have to take.

What fits stays as it is, so that charts and folders go on. What does not fit, or would be cut, ends with part of a hash
of the whole: two names that differ never become one, because models, records and series hang on them.
"""

from __future__ import annotations

import re

from augment_ops.content import sha256_hex
from augment_ops.errors import Fault, InputError

DIGITS = 8  # of the hash: two of a thousand names meet once in 10,000 data sets, and only where the rest is equal too
LONGEST_DATASET = 100  # characters; with what is added to it, it names ledger entries (255), models and folders
REFUSED = "refused"  # no data set: the MLflow experiment of runs that never began is called so
NOTE_TAG = "mlflow.note.content"  # what MLflow's page of a run or experiment shows as its description, in Markdown
_METRIC = 100  # characters: MLflow takes 250 with what stands around it
_DATASET = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def alert_named(kind: str, entry: int) -> str:
    """An alert of production as people read of it, wherever they do."""
    return f"an alert of {kind} (ledger entry {entry})"


def told_apart(kept: str, whole: str, longest: int, mark: str = "-", digits: int = DIGITS) -> str:
    """What could be kept of a name, bounded, with part of the hash of the whole name."""
    # Lone surrogates stand in names of files that are not UTF-8.
    told = sha256_hex(whole.encode("utf-8", "surrogatepass"))[:digits]
    return f"{kept[: longest - digits - len(mark)]}{mark}{told}"


def looks_told(name: str, mark: str) -> bool:
    """Whether a name that somebody gave looks like one that `told_apart` made; it is told apart as well."""
    return re.search(rf"{mark}[0-9a-f]{{{DIGITS}}}\Z", name) is not None


def metric_name(text: str) -> str:
    """`text` as part of the name of a metric in MLflow."""
    # MLflow takes letters, digits, _ - . space : and / in names of metrics. The colon is only ever the mark.
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-. ") else "_" for c in text)
    return text if kept == text and len(text) <= _METRIC else told_apart(kept, text, _METRIC, ":", 16)


def dataset_fault(where: str, name: str, longest: int = LONGEST_DATASET) -> Fault | None:
    """What is wrong with the name of a data set; None where nothing is."""
    if name == REFUSED:
        return Fault(where, repr(name), "another name: runs that are refused are kept under this one", "choose another")
    if len(name) <= longest and _DATASET.fullmatch(name):
        return None
    found = repr(name) if len(name) <= longest else f"{len(name)} characters, {name[:20]!r}…"
    expected = f"kebab-case of at most {longest} characters, such as street-signs"
    return Fault(where, found, expected, "use a-z, 0-9 and single hyphens")


def check_dataset(where: str, name: str) -> None:
    """Refuse what is no name of a data set: paths and documents are made of it.

    Raises:
        InputError: it is none.
    """
    fault = dataset_fault(where, name)
    if fault is not None:
        raise InputError(fault.where, fault.found, fault.expected, fault.fix)
