"""AugmentOps: data augmentation as a governed production component."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from augment_ops.modalities import augmenter as Augmenter  # noqa: N812
    from augment_ops.policy.spec import Policy

__all__ = ["Augmenter", "Policy"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazy, because albumentations takes seconds to import and most commands do not need it.
    if name == "Policy":
        from augment_ops.policy.spec import Policy

        return Policy
    if name == "Augmenter":
        from augment_ops.modalities import augmenter

        return augmenter
    raise AttributeError(f"module 'augment_ops' has no attribute {name!r}")
