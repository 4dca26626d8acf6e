"""Windows of the log as one reference."""

from __future__ import annotations

import numpy as np

from augment_ops.production.reference import joined
from monitoring.drift.sample import Sample


def test_a_column_that_is_numbers_in_one_window_and_text_in_another_is_text() -> None:
    windows = [np.array([3.0, np.nan, 0.5]), np.array(["three", None], object)]
    whole = joined(
        [Sample(digest=str(n), size=len(values), columns={"code": values}) for n, values in enumerate(windows)]
    )
    assert whole is not None
    assert whole.columns["code"].tolist() == ["3", None, "0.5", "three", None]
