"""Augmented rows as they were when this was written.

A change here means that no earlier augmented row can be replayed and that every cached shard is wrong. Where that is
meant, `ENGINE` of the augmenter, part of the lineage, has to change with it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from augment_ops.modalities.tabular.augmenter import ENGINE, TableAugmenter
from augment_ops.modalities.tabular.training_table import training_table
from augment_ops.policy.spec import Policy
from support.tables import SCHEMA

HEAD = """
name: golden
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: For tests.
budget: {p95_ms: 1.0, at: [3]}
transforms: """
N = 96
POLICIES = {
    "Jitter": "[Jitter: {std_range: [0.05, 0.2], p: 0.8}]",
    "Smote": "[Smote: {k_neighbors: 4, p: 0.9}]",
    "both": "[OneOf: {transforms: [Jitter: {columns: [amount, hour]}, Smote: {}], p: 0.9}, Smote: {k_neighbors: 2}]",
}
BYTES = {
    "Jitter": ("tabular-2", "a03a1b3a0916620ba031ff56a51df208c1328313bf5c3bae34a95b662f320b29"),
    "Smote": ("tabular-2", "db329aafc5f056ec79ee7e38e9a4d8f12b2bbbe5530cef3fc9b0d0f6fda2194c"),
    "both": ("tabular-2", "f7c81dfa5a5ca52b352e230296f9b091fd1177014d0ad4384c31f3ee86d98b9e"),
}


def rows() -> np.ndarray:
    """float64 (N, 3), some cells missing; sixteenths, whose sums have no rounding."""
    n = np.arange(N)
    found = np.stack([(n * 37 % 101) / 16, n * 7 % 24, n * 5 % 3], axis=1).astype(np.float64)
    found[n % 17 == 3, n[n % 17 == 3] % 3] = np.nan
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_rows(name):
    table = training_table(SCHEMA, rows(), (np.arange(N) % 4 == 0).astype(np.int64), [f"r{i}" for i in range(N)])
    augment = TableAugmenter(Policy.from_text(HEAD + POLICIES[name]), 7, table)
    found = hashlib.sha256(np.stack([augment(table.rows, table.ids, epoch) for epoch in (0, 1)]).tobytes())
    assert (ENGINE, found.hexdigest()) == BYTES[name]
