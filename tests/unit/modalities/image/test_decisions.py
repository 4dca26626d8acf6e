"""Who gets which transform, against albumentations' rules for p, OneOf, SomeOf and Sequential."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.engine import philox
from augment_ops.engine.decisions import Decisions
from augment_ops.engine.kernels.applies import ALL, ONE, SOME
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.image.plan import compile_policy
from augment_ops.policy.spec import Policy
from support.policies import HEAD

N = 20_000
KEYS = philox.derive(sample_key("decisions"), SampleIds.of(range(N)).words)


def masks(steps: str) -> list[np.ndarray]:
    """Masks of the leaves, in the order of the file."""
    plan = compile_policy(Policy.from_text(f"{HEAD}{steps}"))
    found = Decisions(plan.nodes)(KEYS)
    return [found[index] for index in sorted(found)]


def asked(requirements, keys: np.ndarray) -> np.ndarray:
    """Whether all requirements of a leaf hold, straight from what each says."""
    holds = np.ones(len(keys), bool)
    for need in requirements:
        u = philox.uniforms(keys, need.stream, philox.DECISIONS, 8)
        if need.kind in (ALL, ONE):
            holds &= (need.low <= u[:, need.place]) & (u[:, need.place] < need.high)
        elif need.kind == SOME:
            ranks = u[:, 1 : 1 + need.parts].argsort(axis=1, kind="stable").argsort(axis=1)
            holds &= ranks[:, need.place] < need.takes
        else:
            child, copy = divmod(need.place, need.takes)
            holds &= ((u[:, 1 : 1 + need.takes] * need.parts).astype(int) == child).sum(axis=1) > copy
    return holds


def near(share: float, expected: float) -> bool:
    """Within five standard errors of a share."""
    return abs(share - expected) <= 5 * np.sqrt(max(expected * (1 - expected), 1e-9) / N)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_p(p):
    (mask,) = masks(f"  - InvertImg: {{p: {p}}}\n")
    assert near(mask.mean(), p)


def test_requirements_say_the_same():
    steps = (
        "  - OneOf: {p: 0.9, transforms: [{Sequential: {p: 0.5, transforms: [InvertImg: {p: 0.5}, D4: {p: 1}]}},"
        " {SomeOf: {n: 2, p: 0.5, transforms: [Transpose: {p: 0.2}, D4: {p: 1}, InvertImg: {p: 0.9}]}}]}\n"
        "  - SomeOf: {n: 3, replace: true, p: 0.8, transforms: [InvertImg: {p: 0.9}, Transpose: {p: 1}]}\n"
        "  - AugMix: {p: 0.7}\n"
    )
    decide, keys = Decisions(compile_policy(Policy.from_text(f"{HEAD}{steps}")).nodes), KEYS[:2000]
    found, needs = decide(keys), decide.requirements()
    assert found.keys() == needs.keys()
    for index, mask in found.items():
        np.testing.assert_array_equal(asked(needs[index], keys), mask)


def test_every_number_below_one_is_an_alternative_of_a_one_of():
    """Ten tenths are less than 1 in floating point: what is drawn above their sum would be nobody's."""
    alternatives = ", ".join(["InvertImg: {p: 0.1}"] * 10)
    plan = compile_policy(Policy.from_text(f"{HEAD}  - OneOf: {{p: 1, transforms: [{alternatives}]}}\n"))
    needs = [need for leaf in Decisions(plan.nodes).requirements().values() for need in leaf]
    assert [need.kind for need in needs] == [ONE] * 10
    assert np.cumsum([0.1] * 10)[-1] < 1
    assert [need.low for need in needs] == [0.0, *(need.high for need in needs[:-1])]
    assert needs[-1].high == 1.0


def test_two_transforms_decide_independently():
    a, b = masks("  - InvertImg: {p: 0.5}\n  - InvertImg: {p: 0.5}\n")
    assert near((a & b).mean(), 0.25)


def test_one_of_takes_exactly_one_by_weight_whatever_its_p():
    a, b = masks("  - OneOf: {p: 0.8, transforms: [InvertImg: {p: 0.1}, Transpose: {p: 0.3}]}\n")
    assert not (a & b).any()
    assert near((a | b).mean(), 0.8)
    assert near(a.mean(), 0.2)


def test_some_of_takes_n_and_asks_each_for_its_p():
    steps = "  - SomeOf: {n: 2, p: 1.0, transforms: [InvertImg: {p: 1}, Transpose: {p: 1}, D4: {p: 0.5}]}\n"
    a, b, c = masks(steps)
    taken = a.astype(int) + b + c
    assert set(np.unique(taken)) == {1, 2}
    assert near(a.mean(), 2 / 3)
    assert near(c.mean(), 1 / 3)


def test_some_of_with_replacement_may_take_one_again():
    steps = "  - SomeOf: {n: 2, replace: true, p: 1.0, transforms: [InvertImg: {p: 1}, Transpose: {p: 1}]}\n"
    first, again, other, other_again = masks(steps)
    assert (first.astype(int) + again + other + other_again == 2).all()
    assert not (again & ~first).any()
    assert near(again.mean(), 0.25)
    assert near((first & other).mean(), 0.5)


def test_sequential_applies_all_or_nothing():
    a, b = masks("  - Sequential: {p: 0.3, transforms: [InvertImg: {p: 1}, Transpose: {p: 0.5}]}\n")
    assert near(a.mean(), 0.3)
    assert not (b & ~a).any()
    assert near(b.mean(), 0.15)


def test_a_container_inside_one_of_is_forced_but_its_children_are_not():
    a, b, c = masks(
        "  - OneOf: {p: 1.0, transforms: [{Sequential: {p: 0.5, transforms: [InvertImg: {p: 0.5}]}},"
        " {OneOf: {p: 0.5, transforms: [Transpose: {p: 0.2}]}}, {D4: {p: 0.5}}]}\n"
    )
    assert near(a.mean(), 1 / 6)  # Sequential is forced, its child has a p of its own
    assert near(b.mean(), 1 / 3)  # OneOf is forced, and forces its child
    assert near(c.mean(), 1 / 3)


def test_a_some_of_inside_one_of_still_asks_its_p():
    (a,) = masks("  - OneOf: {p: 1.0, transforms: [{SomeOf: {n: 1, p: 0.5, transforms: [InvertImg: {p: 1}]}}]}\n")
    assert near(a.mean(), 0.5)
