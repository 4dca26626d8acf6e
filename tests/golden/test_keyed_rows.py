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
    "BorderlineSmote": "[BorderlineSmote: {k_neighbors: 3, m_neighbors: 4, p: 0.9}]",
    "RowMix": "[RowMix: {share_range: [0.3, 0.7], p: 0.9, sampling_strategy: all}]",
    "ConditionalBootstrap": "[ConditionalBootstrap: {columns: [amount, kind], given: hour, bins: 4, p: 0.9}]",
    "GaussianCopula": "[GaussianCopula: {min_rows: 20, p: 0.9}]",
    "both": "[OneOf: {transforms: [Jitter: {columns: [amount, hour]}, Smote: {}], p: 0.9}, Smote: {k_neighbors: 2}]",
}
BYTES = {
    "Jitter": ("tabular-2", "8441e959978fefa68720aac395a14946f6d2d0a013675fe0ffaca0b9bb1ce323"),
    "Smote": ("tabular-2", "f4cbddc3c9939add501ea693e1fbb0766d717e2252c092e79e8bc23e929668f3"),
    "BorderlineSmote": ("tabular-2", "d7745a3dd96845160429016748167632014b8e85faea2ffb2b7d7469c38de3fc"),
    "RowMix": ("tabular-2", "e970c23e1dff761fb2dc5c06b92b0c0dcb8f42dd86ee91747373948ebc233db7"),
    "ConditionalBootstrap": ("tabular-2", "e22db184560f3dfe8548d5116e7aa406f83cba8a62b116a769776ae481f1d727"),
    "GaussianCopula": ("tabular-2", "6b68a396699d474cea2d55409721062ef4762bf2c999f6d84bad2e41967b19fd"),
    "both": ("tabular-2", "55f197c38a18c1395edb16e57eecaad46f5dc6e119c0b4ac482ef766f7f30383"),
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
