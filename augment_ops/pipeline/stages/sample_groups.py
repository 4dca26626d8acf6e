"""The groups of a suite's samples: the columns that the source brought, and spans of time where the suite asks."""

from __future__ import annotations

import numpy as np

from augment_ops.data.snapshot import Snapshot
from augment_ops.stress.suite import SuiteManifest
from augment_ops.stress.time_slices import COLUMN, time_groups


def sample_groups(snapshot: Snapshot, suite: SuiteManifest) -> dict[str, list[str | None]]:
    """Column → the group of each sample, in the order of the suite; None where it has none."""
    found = snapshot.group_columns(suite.sample_ids)
    if suite.time_slices:
        times = snapshot.index.set_index("sample_id")["time"].loc[list(suite.sample_ids)]
        spans = time_groups(times.to_numpy(np.float64, na_value=np.nan), suite.time_slices)
        if spans is not None:
            found[COLUMN] = spans
    return found
