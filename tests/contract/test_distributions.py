"""Parameters of compiled transforms are distributed as albumentations draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.declaration import Declaration
from augment_ops.modalities.image.plan import compile_policy
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy
from support.policies import HEAD
from support.truths import SIZE, drawn, name_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N = 2000
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
KEYS = philox.derive(sample_key("distributions"), SampleIds.of(range(N)).words)


@pytest.mark.parametrize("step", drawn())
def test_parameters(step):
    """Two-sample Kolmogorov–Smirnov column by column; seeded, so the outcome is fixed."""
    ours, theirs = drawn()[step].ours, drawn()[step].theirs
    policy = Policy.from_text(f"{HEAD}  - {step}\n")
    (node,) = compile_policy(policy).nodes
    (transform,) = policy.transforms
    found = ours(node.operation, philox.uniforms(KEYS, 0, philox.PARAMETERS, max(1, node.operation.draws)))
    library = catalogue.construct(transform.name, transform.params)
    library.set_random_seed(5)
    expected = np.array([theirs(_drawn(library)) for _ in range(N)], float)
    assert found.shape == expected.shape
    for column, theirs_column in zip(found.T, expected.T, strict=True):
        if np.ptp(theirs_column) < 1e-9:
            assert column == pytest.approx(theirs_column, abs=1e-6)
        else:
            assert stats.ks_2samp(column, theirs_column).pvalue > 1e-4


def test_every_compiled_transform_that_draws_is_held_against_albumentations_or_says_why_not():
    draws = {name for name, one in declarations().items() if one.compile is not None and _draws(one)}
    have = {name_of(step) for step in drawn()}
    assert have == {name for name in draws if not declarations()[name].not_drawn}


def _draws(declaration: Declaration) -> bool:
    operation = declaration.compile(catalogue.resolved(declaration.name, declaration.required))
    return getattr(operation, "draws", 0) > 0


def _drawn(library: Any) -> dict[str, Any]:
    params = library.get_params()
    return params | library.get_params_dependent_on_data({"shape": IMAGE.shape}, {"image": IMAGE})
