"""The thresholds of the checks of tables: policies/quality/<name>.yaml as a typed value."""

from __future__ import annotations

from augment_ops.modalities.tabular.constraints import Constraints
from augment_ops.quality.rules import Ceiling, Floor, Rules


class TableDataRules(Rules):
    """Of `check_data`."""

    unreadable: Ceiling
    label_range: Ceiling
    label_conflict: Ceiling
    missing_values: Ceiling
    constant_columns: Ceiling
    out_of_training_range: Ceiling
    exact_duplicates_within_split: Ceiling
    exact_duplicates_between_splits: Ceiling
    # It came later: a file without it has what `transactions` says.
    out_of_scope_conflict: Ceiling = Ceiling(warn_above=0.005, fail_above=0.05)
    time_order: Ceiling
    subjects_seen_before: Ceiling
    missing_class: Ceiling
    class_balance: Ceiling
    train_samples_per_class: Floor
    test_samples_per_class: Floor
    target_leakage: Ceiling | None = None  # came later: done where a file asks for it
    constraint_violations: Constraints | None = None  # of a table's own columns: a file for it has them


class AugmentedTableRules(Rules):
    """Of `check_augmented`."""

    feature_skew: Ceiling
    missing_values: Ceiling
    constant_columns: Ceiling
    out_of_training_range: Ceiling
    identical: Ceiling
    held_out_leakage: Ceiling
    # These came later: done where a file asks for them.
    near_held_out_leakage: Ceiling | None = None
    distribution_shift: Ceiling | None = None
    correlation_change: Ceiling | None = None
    other_class_neighbours: Ceiling | None = None
    detectability: Ceiling | None = None
    distance_to_closest_record: Ceiling | None = None
    copies_of_others: Ceiling | None = None
    class_share: Ceiling | None = None
    group_share: Ceiling | None = None
    other_group_neighbours: Ceiling | None = None
    over_augmentation: Ceiling | None = None
    constraint_violations: Constraints | None = None
