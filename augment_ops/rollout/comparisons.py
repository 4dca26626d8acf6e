"""What champion and challenger made of the same traffic: an append-only log that every worker of a service writes to.

    <log>/<data set>/rollouts/<rollout>/<logged at>-<random>.parquet

A file is written whole, is never changed, and has one row a sample; all samples of a request stand together in one
file. The file's metadata say the format. Columns:

    step           int32: index of the rollout's step in which the request came
    request        text: id of the request; subject: text, by which it was assigned where rules say so
    first          truth value: whether this is the first sample of its request
    sample_id      text, as in the prediction log
    time           when it came, by the service's clock, UTC
    arm            champion, challenger or shadow: who answered (shadow: the champion, the challenger was asked as well)
    <arm>_seconds, <arm>_prediction, <arm>_confidence of champion and challenger: how long it took (null: it was not
                   asked), the class (null: it failed), the probability of that class (null: it failed)
"""

from __future__ import annotations

import io
import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError, InputError
from augment_ops.monitoring.drift.log_files import read_log_file
from augment_ops.monitoring.drift.prediction_log import blobs_of
from augment_ops.names import check_dataset
from augment_ops.rollout.columns import ASKED, FORMAT, checked, schema

if TYPE_CHECKING:
    import pyarrow as pa

_STAMP = "%Y%m%dT%H%M%S%f"  # that names begin with


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """What one version made of the n samples of one request.

    Attributes:
        predictions: n classes; None: it failed.
        confidences: float32 (n,), 0 to 1, of the predicted classes; None: it failed.
        seconds: until it answered or failed, in its queue and in the model.
    """

    predictions: tuple[str, ...] | None
    confidences: NDArray[np.float32] | None
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One request.

    Attributes:
        step: of the rollout, 0 for the first.
        ids: of its n samples; n is 1 at least.
        at: when it came, with a time zone.
        arm: who answered; `shadow`: the champion, and the challenger was asked as well.
        champion: None where it was not asked. Where the arm is `challenger` and that failed, it is what answered
            instead, which is no evidence about the champion.
        challenger: None where it was not asked.
    """

    step: int
    request: str
    subject: str
    ids: tuple[str, ...]
    at: datetime
    arm: Literal["champion", "challenger", "shadow"]
    champion: Arm | None
    challenger: Arm | None


class ComparisonLog:
    """The comparisons of one rollout.

    Args:
        uri: folder or fsspec URI of all logs, as that of the prediction log.
        rollout: its id, the number of its first entry of the ledger.

    Raises:
        InputError: `dataset` is no name of a data set, or `rollout` no number.
    """

    def __init__(self, uri: str, dataset: str, rollout: str) -> None:
        check_dataset("comparisons", dataset)
        if not re.fullmatch("[0-9]{1,18}", rollout):
            raise InputError("comparisons", repr(rollout)[:80], "the number of a rollout, such as 42", "name its entry")
        self.dataset, self.rollout = dataset, rollout
        self._folder = f"{folder_of(dataset)}{rollout}/"
        self._blobs = blobs_of(uri)

    def write(self, comparisons: Sequence[Comparison]) -> None:
        """Append a file; nothing for no comparison.

        Raises:
            DataError: an arm that has not one prediction and one confidence a sample, a request without any sample, a
                time without a zone, seconds that are none; nothing is written.
            StoreError: the log cannot be written; nothing is left half-written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not comparisons:
            return
        for one in comparisons:
            _check(one)
        requests = [_rows(one) for one in comparisons]
        columns = {name: [value for rows in requests for value in rows[name]] for name in schema().names}
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns, schema=schema()), buffer, compression="zstd")
        self._blobs.write(f"{self._folder}{_stamp()}-{uuid.uuid4().hex[:12]}.parquet", buffer.getvalue())

    def files(self) -> list[str]:
        """Names of the files that there are, sorted: those that are written later come later, as far as clocks agree.

        Raises:
            StoreError: the log cannot be listed.
        """
        return [name.removeprefix(self._folder) for name in self._blobs.names(self._folder)]

    def read(self, name: str) -> pa.Table:
        """The rows of one file, whoever wrote it: of the columns and types above, each value one that may stand there.

        Raises:
            DataError: the file cannot be read, with the reason: whoever reads the log counts it and goes on.
            StoreError: the log cannot be read.
        """
        import pyarrow as pa

        where = f"comparisons of rollout {self.rollout}, {name[:120]!r}"
        data = self._blobs.read(f"{self._folder}{name}") if "/" not in name else None
        if data is None:
            raise DataError(where, "nothing of that name", "one of `files()`", "list them again")
        try:
            return checked(read_log_file(data), where)
        except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
            found = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise DataError(where, found, f"a Parquet file of format {FORMAT}", "leave it out, and count it") from error


def folder_of(dataset: str) -> str:
    """Where the comparisons of all rollouts of a data set lie, from the log's root."""
    return f"{dataset}/rollouts/"


def written_on(name: str) -> date | None:
    """The day on which a file of that name was written, UTC; None where the name is none of ours."""
    try:
        return datetime.strptime(name.rpartition("/")[2].partition("-")[0], _STAMP).date()
    except ValueError:
        return None


def _stamp() -> str:
    return datetime.now(UTC).strftime(_STAMP)


def _check(one: Comparison) -> None:
    arms = {"champion": one.champion, "challenger": one.challenger}
    faults = ["no sample"] if not one.ids else []
    faults += ["a time without a zone"] if one.at.utcoffset() is None else []
    faults += [f"no {name} where {one.arm} answered" for name in ASKED[one.arm] if arms[name] is None]
    faults += [fault for name, arm in arms.items() if arm is not None for fault in _faults(name, arm, len(one.ids))]
    if faults:
        raise DataError(
            f"comparison of request {one.request[:80]!r}",
            "; ".join(faults),
            "both arms as they answered, with one prediction and one confidence a sample",
            "pass what the models said",
        )


def _faults(name: str, arm: Arm, n: int) -> list[str]:
    found = []
    if not (math.isfinite(arm.seconds) and arm.seconds >= 0):
        found.append(f"{name}: {arm.seconds} seconds")
    if (arm.predictions is None) != (arm.confidences is None):
        found.append(f"{name}: predictions without confidences, or the other way round")
    for what, values in (("predictions", arm.predictions), ("confidences", arm.confidences)):
        if values is not None and len(values) != n:
            found.append(f"{name}: {len(values)} {what} of {n} samples")
    if arm.confidences is not None and not np.all((arm.confidences >= 0) & (arm.confidences <= 1)):
        found.append(f"{name}: confidences that are no probabilities")
    return found


def _rows(one: Comparison) -> dict[str, Sequence[Any]]:
    """The columns of one request."""
    n = len(one.ids)
    rows: dict[str, Sequence[Any]] = {
        "step": [one.step] * n,
        "request": [one.request] * n,
        "subject": [one.subject] * n,
        "first": [True, *[False] * (n - 1)],
        "sample_id": one.ids,
        "time": [one.at] * n,
        "arm": [one.arm] * n,
    }
    for name, arm in (("champion", one.champion), ("challenger", one.challenger)):
        nothing: list[None] = [None] * n
        rows[f"{name}_seconds"] = nothing if arm is None else [arm.seconds] * n
        rows[f"{name}_prediction"] = nothing if arm is None or arm.predictions is None else arm.predictions
        rows[f"{name}_confidence"] = nothing if arm is None or arm.confidences is None else arm.confidences.tolist()
    return rows
