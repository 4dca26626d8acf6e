from __future__ import annotations

import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.tabular.catalogue import CATALOGUE
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.diff import kept_and_reached
from augment_ops.policy.limits import limit_faults
from augment_ops.policy.spec import Policy
from support.places import POLICIES

HEAD = """
name: rows
version: 1.0.0
modality: tabular
domain: tabular
owner: tests
description: Rows for tests.
budget: {p95_ms: 1.0, at: [3]}
"""


def policy(steps: str, head: str = HEAD) -> Policy:
    return Policy.from_text(head + f"transforms: {steps}")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[Jiter: {p: 1.0}]", "Did you mean Jitter"),
        ("[Affine: {p: 1.0}]", "one of BorderlineSmote, "),
        ("[Jitter: {std: [0.1, 0.2]}]", "Did you mean std_range"),
        ("[Jitter: {std_range: [0.2, 0.1]}]", "the smaller first"),
        ("[Jitter: {std_range: [-0.1, 0.1]}]", "greater than or equal to 0"),
        ("[Jitter: {std_range: 0.1}]", "tuple"),
        ("[Jitter: {columns: []}]", "at least 1 item"),
        ("[Jitter: {columns: [a, a]}]", "each column once"),
        ("[Jitter: {p: 1.5}]", "less than or equal to 1"),
        ("[Smote: {k_neighbors: 0}]", "greater than or equal to 1"),
        ("[Smote: {k_neighbors: 2.5}]", "integer"),
        ("[Smote: {k: 5}]", "Did you mean k_neighbors"),
        ("[BorderlineSmote: {m_neighbors: 0}]", "greater than or equal to 1"),
        ("[RowMix: {share_range: [0.5, 0.1]}]", "the smaller first"),
        ("[RowMix: {columns: [a, a]}]", "each column once"),
        ("[RowMix: {sampling_strategy: minority}]", "'not majority' or 'all'"),
        ("[ConditionalBootstrap: {given: a}]", "columns: found nothing"),
        ("[ConditionalBootstrap: {columns: [a, b], given: b}]", "not resampled itself"),
        ("[ConditionalBootstrap: {columns: [a], given: b, bins: 0}]", "greater than or equal to 1"),
        ("[GaussianCopula: {min_rows: 1}]", "greater than or equal to 2"),
    ],
)
def test_a_step_that_is_wrong_is_told_with_its_place(steps, expected):
    with pytest.raises(PolicyError, match=expected) as caught:
        policy(steps)
    assert "transforms[0]" in str(caught.value)


def test_faults_are_told_once_a_parameter_and_all_at_once():
    with pytest.raises(PolicyError) as caught:
        policy("[Jitter: {std_range: [-1, -2]}, Smote: {k_neighbors: 0, p: 2}]")
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("budget", ["[3, 4]", "[]", "[0]", "3"])
def test_a_budget_is_for_a_number_of_columns(budget):
    with pytest.raises(PolicyError, match=r"budget\.at"):
        policy("[]", HEAD.replace("at: [3]", f"at: {budget}"))


def test_a_policy_of_images_is_none_of_rows():
    with pytest.raises(PolicyError, match="mixing"):
        policy("[]\nmixing: {kind: mixup}")


@pytest.mark.parametrize(
    ("steps", "keys"),
    [
        ("[Jitter: {std_range: [0.0, 0.2]}]", []),
        ("[Jitter: {std_range: [0.0, 0.21]}]", ["max_jitter_std"]),
        ("[Jitter: {std_range: [0, 0.15]}, Jitter: {std_range: [0, 0.15]}]", ["max_jitter_std"]),  # 0.21 in all
        ("[OneOf: {transforms: [Jitter: {std_range: [0, 0.15]}, Jitter: {std_range: [0, 0.15]}]}]", []),
        ("[Smote: {k_neighbors: 100, p: 1.0}]", []),
        ("[RowMix: {share_range: [0.1, 0.5]}]", []),
        ("[RowMix: {share_range: [0.1, 0.6]}]", ["max_mixed_share"]),
        ("[RowMix: {share_range: [0.3, 0.3]}, RowMix: {share_range: [0.3, 0.3]}]", ["max_mixed_share"]),  # 0.51 in all
        ("[ConditionalBootstrap: {columns: [a, b, c, d, e, f, g, h], given: x}]", []),
        ("[ConditionalBootstrap: {columns: [a, b, c, d, e, f, g, h, i], given: x}]", ["max_resampled_columns"]),
        ("[GaussianCopula: {min_rows: 100}, GaussianCopula: {min_rows: 100}]", []),
        ("[GaussianCopula: {min_rows: 99}]", ["min_copula_rows"]),
    ],
)
def test_the_domain_bounds_each_effect_alone_and_in_chains(steps, keys):
    found = limit_faults(policy(steps), load_limits(POLICIES, "tabular"))
    assert [key for key, one in zip(keys, found, strict=True) if key in str(one)] == keys


def test_how_far_a_policy_goes_is_told_in_the_words_of_the_file():
    steps = "[GaussianCopula: {min_rows: 200}, RowMix: {share_range: [0, 0.2]}, RowMix: {share_range: [0, 0.2]}]"
    reached = kept_and_reached(policy(steps), load_limits(POLICIES, "tabular"))[1]
    assert reached == ["mixed_share 0.36 of 0.5", "copula_rows 200 of 100"]


def test_a_policy_of_rows_is_in_no_domain_of_images():
    assert "modality" in limit_faults(policy("[]"), load_limits(POLICIES, "general"))[0].where


def test_every_parameter_but_what_is_of_the_table_has_a_default_and_is_resolved():
    for name in CATALOGUE.names():
        needed = {"columns": ("a",), "given": "b"} if name == "ConditionalBootstrap" else {}
        assert CATALOGUE.resolved(name, needed) == {**CATALOGUE.defaults(name), **needed}
        assert "p" in CATALOGUE.defaults(name)


def test_jitter_teaches_noise_unless_it_does_nothing():
    for params, taught in [({}, ("noise",)), ({"std_range": [0, 0]}, ()), ({"p": 0}, ())]:
        assert CATALOGUE.teaches("Jitter", CATALOGUE.resolved("Jitter", params)) == taught
    assert CATALOGUE.teaches("Smote", CATALOGUE.resolved("Smote", {})) == ()
