"""The thresholds of the checks of interactions: policies/quality/<name>.yaml as a typed value."""

from __future__ import annotations

from augment_ops.quality.rules import Ceiling, Floor, Rules


class InteractionDataRules(Rules):
    """Of `check_data`."""

    unreadable: Ceiling
    label_range: Ceiling
    catalogue: Ceiling
    time_order: Ceiling
    repeated_interactions: Ceiling
    label_conflict: Ceiling
    exact_duplicates_between_splits: Ceiling
    single_interaction_users: Ceiling
    unseen_items: Ceiling
    length_shift: Ceiling
    popularity_shift: Ceiling
    missing_class: Ceiling
    class_balance: Ceiling
    train_samples_per_class: Floor
    test_samples_per_class: Floor


class AugmentedInteractionRules(Rules):
    """Of `check_augmented`."""

    time_order: Ceiling
    unknown_items: Ceiling
    answer_leakage: Ceiling
    items_changed: Ceiling
    length_change: Ceiling
    popularity_shift: Ceiling
    identical: Ceiling
    held_out_leakage: Ceiling
    # These came later: done where a file asks for them.
    label_noise: Ceiling | None = None
    class_share: Ceiling | None = None
    group_share: Ceiling | None = None
    over_augmentation: Ceiling | None = None
