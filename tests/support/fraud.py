"""The card transactions of the fraud detection handbook as a table of features, where they lie beside the project."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd

from support.places import ROOT

ARCHIVE = (
    Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or ROOT.parent / "shared" / "datasets") / "fraud-handbook-sim/data.tar"
)
_DAY_S = 86_400
_DELAY_S = 7 * _DAY_S  # until a fraud is known
ROLES = (
    "label=TX_FRAUD,subject=CUSTOMER_ID,time=TX_DATETIME,split=SPLIT,id=TRANSACTION_ID,"
    "ignore=TERMINAL_ID;TX_FRAUD_SCENARIO"
)


def transactions(every: int = 3) -> pd.DataFrame:
    """Every so many-th transaction of April to June 2018, with what is known of its customer and terminal by then.

    Features as in the handbook's chapter 3: weekend, night, the customer's number of transactions and average amount
    over 1, 7 and 30 days, and how many of the terminal's transactions were frauds, a week before.
    """
    frames = []
    with tarfile.open(ARCHIVE) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            if member.name.endswith(".pkl"):
                file = archive.extractfile(member)
                assert file is not None
                frames.append(pd.read_pickle(io.BytesIO(file.read())).iloc[::every])
    table = pd.concat(frames, ignore_index=True)
    moments = pd.to_datetime(table["TX_DATETIME"])
    seconds = ((moments - moments.min()) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
    amounts, frauds = table["TX_AMOUNT"].to_numpy(np.float64), table["TX_FRAUD"].to_numpy(np.float64)
    found = {
        "TRANSACTION_ID": table["TRANSACTION_ID"].astype(str),
        "TX_DATETIME": moments,
        "CUSTOMER_ID": table["CUSTOMER_ID"].astype(str),
        "TERMINAL_ID": table["TERMINAL_ID"].astype(str),
        "TX_FRAUD_SCENARIO": table["TX_FRAUD_SCENARIO"],
        "SPLIT": np.where(moments < pd.Timestamp("2018-06-01"), "train", "test"),
        "TX_AMOUNT": amounts,
        "DURING": np.where(moments.dt.weekday >= 5, "weekend", "week"),
        "NIGHT": (moments.dt.hour <= 6).astype(int),
    }
    customer = table["CUSTOMER_ID"].to_numpy(np.int64)
    terminal = table["TERMINAL_ID"].to_numpy(np.int64)
    for days in (1, 7, 30):
        count, amount = _before(customer, seconds, amounts, days * _DAY_S)
        found[f"CUSTOMER_COUNT_{days}D"] = count.astype(int)
        found[f"CUSTOMER_AMOUNT_{days}D"] = amount / np.maximum(count, 1)
    for days in (1, 7, 30):
        late = _before(terminal, seconds, frauds, _DELAY_S)
        whole = _before(terminal, seconds, frauds, _DELAY_S + days * _DAY_S)
        count = whole[0] - late[0]
        # Without a transaction in those days nothing is known of the terminal.
        found[f"TERMINAL_RISK_{days}D"] = np.where(count > 0, (whole[1] - late[1]) / np.maximum(count, 1), np.nan)
    found["TX_FRAUD"] = table["TX_FRAUD"]
    return pd.DataFrame(found)


def _before(
    group: np.ndarray, seconds: np.ndarray, values: np.ndarray, window_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Number and sum of a group's values in the time up to each row, that row included."""
    span = seconds.max() + window_s + 1
    key = group * span + seconds
    order = np.argsort(key, kind="stable")
    ends = np.arange(1, len(key) + 1)
    starts = np.searchsorted(key[order], np.maximum(key[order] - window_s, group[order] * span), side="left")
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    count, total = np.empty(len(key)), np.empty(len(key))
    count[order], total[order] = ends - starts, sums[ends] - sums[starts]
    return count, total
