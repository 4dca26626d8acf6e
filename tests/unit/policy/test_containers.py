from __future__ import annotations

import inspect

from augment_ops.modalities.image.catalogue import albumentations
from augment_ops.policy.containers import CONTAINERS


def test_containers_have_the_defaults_of_albumentations():
    """Theirs are what policies of images have always meant."""
    for name, defaults in CONTAINERS.items():
        parameters = inspect.signature(getattr(albumentations(), name).__init__).parameters.values()
        assert defaults == {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
