"""The thresholds of the checks of texts: policies/quality/<name>.yaml as a typed value."""

from __future__ import annotations

from augment_ops.quality.rules import Ceiling, Floor, Rules


class TextDataRules(Rules):
    """Of `check_data`."""

    unreadable: Ceiling
    label_range: Ceiling
    label_conflict: Ceiling
    near_label_conflict: Ceiling
    exact_duplicates_within_split: Ceiling
    exact_duplicates_between_splits: Ceiling
    near_duplicates_between_splits: Ceiling
    # It came later: a file without it has what `intents` says.
    out_of_scope_conflict: Ceiling = Ceiling(warn_above=0, fail_above=0.01)
    subject_leakage: Ceiling
    vocabulary_shift: Ceiling
    length_shift: Ceiling
    missing_class: Ceiling
    class_balance: Ceiling
    train_samples_per_class: Floor
    test_samples_per_class: Floor


class AugmentedTextRules(Rules):
    """Of `check_augmented`."""

    label_noise: Ceiling
    protected_words: Ceiling
    words_changed: Ceiling
    vocabulary_shift: Ceiling
    length_change: Ceiling
    identical: Ceiling
    held_out_leakage: Ceiling
    # These came later: done where a file asks for them.
    class_share: Ceiling | None = None
    group_share: Ceiling | None = None
    over_augmentation: Ceiling | None = None
