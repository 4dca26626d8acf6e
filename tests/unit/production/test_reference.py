"""Windows of the log as one reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from augment_ops.monitoring.drift.sample import Sample
from augment_ops.production.reference import as_the_champion_knows, joined


def test_a_column_that_is_numbers_in_one_window_and_text_in_another_is_text() -> None:
    windows = [np.array([3.0, np.nan, 0.5]), np.array(["three", None], object)]
    whole = joined(
        [Sample(digest=str(n), size=len(values), columns={"code": values}) for n, values in enumerate(windows)]
    )
    assert whole is not None
    assert whole.columns["code"].tolist() == ["3", None, "0.5", "three", None]


def test_windows_of_rows_are_joined_as_rows_of_their_dtype() -> None:
    values = np.arange(6.0).reshape(3, 2) + 0.5
    whole = joined([Sample.of_payload(str(n), values + n, modality="tabular", schema={}) for n in range(2)])
    assert whole is not None and whole.payload is not None
    assert (whole.modality, whole.schema) == ("tabular", {})
    assert np.array_equal(whole.payload.take(np.arange(6)), np.concatenate([values, values + 1]))


def test_only_samples_that_the_champion_could_have_been_given_get_its_schema() -> None:
    schema = {"columns": ["amount", "kind"]}
    manifest: Any = SimpleNamespace(modality="tabular", sample_shape=(2,), schema=schema)
    champion: Any = SimpleNamespace(snapshot=SimpleNamespace(manifest=manifest))
    rows, wider = (Sample.of_payload("r", np.zeros((3, columns)), modality="tabular") for columns in (2, 3))
    assert as_the_champion_knows(rows, champion).schema == schema
    for other in (wider, Sample.of_payload("i", np.zeros((3, 2))), Sample(digest="c", size=3)):
        assert as_the_champion_knows(other, champion) is other
    known = as_the_champion_knows(rows, champion)
    assert as_the_champion_knows(known, champion) is known, "features that were read stay"
