"""The thresholds of the checks of images: policies/quality/<name>.yaml as a typed value."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from augment_ops.quality.rules import Ceiling, Floor, Rules

_GreyLevels = Annotated[FiniteFloat, Field(ge=0, le=255)]
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class Blank(Ceiling):
    """Images without a picture: standard deviation of the grey levels below `min_contrast` in every channel."""

    min_contrast: _GreyLevels


class NearCopy(Ceiling):
    """Two images are near copies when the RMS of their difference is within both limits.

    Attributes:
        max_rms: grey levels, over all pixels and channels.
        max_contrast_share: of the standard deviation of the image looked at, so that dull images are not all alike.
    """

    max_rms: _GreyLevels
    max_contrast_share: _Share


class Saturated(Ceiling):
    """An image is saturated when the share of its values at 0 or 255 grew by more than `clipped_growth`."""

    clipped_growth: _Share


class OverAugmented(Ceiling):
    """A sample is over-augmented when no small shift of it, mirrored or not, correlates with its original.

    Attributes:
        min_correlation: normalised cross-correlation, -1 to 1.
        max_shift_share: shifts searched, as a share of the shorter side.
    """

    min_correlation: Annotated[FiniteFloat, Field(ge=-1, le=1)]
    max_shift_share: Annotated[FiniteFloat, Field(ge=0, le=0.5)]


class ImageDataRules(Rules):
    """Of `check_data`."""

    # The first three came later than the others: a file without them has what the default one says.
    classes_without_samples: Ceiling = Ceiling(warn_above=0, fail_above=0)
    files_left_out: Ceiling = Ceiling(warn_above=0, fail_above=None)
    channels_converted: Ceiling = Ceiling(warn_above=0, fail_above=None)
    unreadable: Ceiling
    blank_or_constant: Blank
    shape_mismatch: Ceiling
    label_range: Ceiling
    label_conflict: Ceiling
    exact_duplicates_within_split: Ceiling
    exact_duplicates_between_splits: Ceiling
    near_duplicates_between_splits: NearCopy
    # It came later as well.
    out_of_scope_conflict: NearCopy = NearCopy(warn_above=0, fail_above=0.01, max_rms=6.0, max_contrast_share=0.10)
    subject_leakage: Ceiling
    missing_class: Ceiling
    class_balance: Ceiling
    train_samples_per_class: Floor
    test_samples_per_class: Floor


class AugmentedImageRules(Rules):
    """Of `check_augmented`."""

    feature_skew: Ceiling
    blank: Blank
    saturated: Saturated
    over_augmentation: OverAugmented
    identical: Ceiling
    held_out_leakage: NearCopy
    # These came later: done where a file asks for them.
    class_share: Ceiling | None = None
    group_share: Ceiling | None = None
