"""Checks of a snapshot before anything is augmented or trained: damage, labels, duplicates, leakage, balance, size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from augment_ops.data.payload import Images, payload_of
from augment_ops.modalities.codec import Reading
from augment_ops.quality.duplicates import exact_between, exact_within, label_conflict, near_between
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.quality.rules import DataRules, QualityRules, judged
from augment_ops.quality.samples import AS_READ, COLUMNS, SPLITS, Samples, ids, listed, share

if TYPE_CHECKING:
    import pandas as pd

    from augment_ops.data.snapshot import Snapshot


def check_snapshot(snapshot: Snapshot, rules: QualityRules, reading: Reading | None = None) -> QualityReport:
    """Measure a snapshot and judge it by the thresholds; a failed check is a value (law 2).

    Args:
        reading: how it was read; by default what the snapshot knows of the last time.

    Raises:
        StoreError: the snapshot's index or pixels cannot be read back as they were written.
    """
    manifest = snapshot.manifest
    index = snapshot.read_index(COLUMNS)
    checks = check_samples(index, snapshot.payload, manifest.classes, rules.check_data, reading or manifest.reading)
    return QualityReport("check_data", manifest.digest, rules.digest, checks)


def check_samples(
    index: pd.DataFrame, images: Images, classes: tuple[str, ...], rules: DataRules, reading: Reading = AS_READ
) -> tuple[CheckResult, ...]:
    """Every check of `DataRules`, in its order.

    Args:
        index: at least the columns `COLUMNS` of `Snapshot.index`.
        images: those that the index's `row` numbers; read once, a bounded part at a time.
        classes: class names; a label is an index into them.
        reading: how they were read.
    """
    samples = Samples(index, payload_of(images), classes, reading)
    return tuple(check(samples, rules) for check in _CHECKS)


def _empty_classes(samples: Samples, rules: DataRules) -> CheckResult:
    empty = samples.reading.empty_classes
    return judged(
        "classes-without-samples",
        rules.classes_without_samples,
        len(empty),
        "classes",
        f"{len(empty)} class folders have no sample{': ' if empty else ''}{listed(empty)}{_left_out(samples, empty)}",
        "give them images of a format that is read, or take the folders away",
    )


def _files_left_out(samples: Samples, rules: DataRules) -> CheckResult:
    files = sum(one.files for one in samples.reading.left_out)
    return judged(
        "files-left-out",
        rules.files_left_out,
        files,
        "files",
        f"{files} files in class folders are not read{_left_out(samples)}",
        "save images in a format that is read, and take other files elsewhere",
    )


def _left_out(samples: Samples, classes: Sequence[str] | None = None) -> str:
    found = samples.reading.left_out
    texts = [one.text for one in found if classes is None or one.folder.rpartition("/")[2] in classes]
    return f" ({listed(texts)})"[:400] if texts else ""


def _channels(samples: Samples, rules: DataRules) -> CheckResult:
    converted = samples.reading.converted
    return judged(
        "channels-converted",
        rules.channels_converted,
        share(converted, len(samples.index)),
        "share",
        f"{converted} of {len(samples.index)} images were brought from grey to colour, or the other way round",
        "see that no class is told by it; --channels 1 or 3 decides, --channels as-is leaves them out",
    )


def _unreadable(samples: Samples, rules: DataRules) -> CheckResult:
    # Defects of a kind not known here count as unreadable: they must not pass because nobody looks at them.
    bad = samples.index[(samples.defect != "") & ~samples.defect.str.startswith(("shape", "label"))]
    first = "" if bad.empty else f"; the first is {bad['sample_id'].iloc[0]}: {bad['defect'].iloc[0]}"[:160]
    return judged(
        "unreadable",
        rules.unreadable,
        share(len(bad), len(samples.index)),
        "share",
        f"{len(bad)} of {len(samples.index)} files cannot be read or are cut short{first}",
        "restore them from their source, or take them out of the data set",
        ids(bad),
    )


def _blank(samples: Samples, rules: DataRules) -> CheckResult:
    rule = rules.blank_or_constant
    pictures = samples.pictures
    bad = pictures[samples.gallery.contrasts < rule.min_contrast]
    return judged(
        "blank-or-constant",
        rule,
        share(len(bad), len(pictures)),
        "share",
        f"{len(bad)} of {len(pictures)} images show nothing (contrast below {rule.min_contrast:g} grey levels)",
        "look at them and take out those that carry no picture",
        ids(bad),
    )


def _shape(samples: Samples, rules: DataRules) -> CheckResult:
    odd = samples.defect[samples.defect.str.startswith("shape")]
    kinds = odd.value_counts()
    named = f" ({listed([f'{count} × {kind}' for kind, count in kinds.items()])})" if len(odd) else ""
    return judged(
        "shape-mismatch",
        rules.shape_mismatch,
        share(len(odd), len(samples.index)),
        "share",
        f"{len(odd)} of {len(samples.index)} images differ in size or channels from the rest{named[:160]}",
        "they are left out: bring all to one size (--image-size 64x64; in Airflow's form: Image size)",
        ids(samples.index.loc[odd.index]),
    )


def _label_range(samples: Samples, rules: DataRules) -> CheckResult:
    bad = samples.index[~samples.labelled | samples.defect.str.startswith("label")]
    return judged(
        "label-range",
        rules.label_range,
        share(len(bad), len(samples.index)),
        "share",
        f"{len(bad)} of {len(samples.index)} samples have no label, or one outside the {len(samples.classes)} classes",
        "correct the labels in the source, or take the samples out",
        ids(bad),
    )


def _subjects(samples: Samples, rules: DataRules) -> CheckResult:
    usable = samples.usable
    named = usable[usable["subject"].notna() & (usable["subject"] != "")]
    shared = named[named.groupby("subject")["split"].transform("nunique") > 1]
    subjects = [str(subject) for subject in dict.fromkeys(shared["subject"])]
    found = f"{len(subjects)} of {named['subject'].nunique()} subjects have samples in more than one split"
    if named.empty:
        found = "the data set names no subjects, so none was found in two splits"
    elif subjects:
        found += f": {listed(subjects)}"
    return judged(
        "subject-leakage",
        rules.subject_leakage,
        len(subjects),
        "subjects",
        found,
        "keep each subject in one split, or leave the splitting to the ingestion",
        ids(shared[shared["split"] != "train"]),
    )


def _missing_class(samples: Samples, rules: DataRules) -> CheckResult:
    subjects = samples.usable.groupby("label")["subject"].nunique()
    places = [
        f"{samples.classes[label]} in {split}{_too_few(int(subjects.get(label, 0)))}"
        for split in SPLITS
        for label in np.flatnonzero(samples.class_counts.loc[split] == 0)
    ]
    found = f"{len(places)} times a class has no usable sample in a split" + (f": {listed(places)}" if places else "")
    return judged(
        "missing-class",
        rules.missing_class,
        len(places) if samples.classes else np.nan,
        "classes",
        found,
        "add samples, or take the class out: it cannot be learnt or cannot be measured",
    )


def _too_few(subjects: int) -> str:
    """Why a class is not in every split, where it has subjects but fewer than splits."""
    return f" (it has {subjects} subjects; {len(SPLITS)} are needed)" if 0 < subjects < len(SPLITS) else ""


def _balance(samples: Samples, rules: DataRules) -> CheckResult:
    counts = samples.class_counts.loc["train"]
    present = counts[counts > 0]  # a class that is missing altogether has its own check
    measured, found = np.nan, "the train split has no usable samples"
    if not present.empty:
        most, least = present.idxmax(), present.idxmin()
        measured = present[most] / present[least]
        found = (
            f"in train the largest class, {samples.classes[most]}, has {present[most]} samples and the smallest, "
            f"{samples.classes[least]}, {present[least]}"
        )
    return judged(
        "class-balance",
        rules.class_balance,
        measured,
        "ratio",
        found,
        "collect more of the small classes, or weigh them in training",
    )


def _train_size(samples: Samples, rules: DataRules) -> CheckResult:
    measured, found = _smallest(samples, "train")
    return judged(
        "train-samples-per-class",
        rules.train_samples_per_class,
        measured,
        "samples",
        found,
        "collect more, or merge the class with another",
    )


def _test_size(samples: Samples, rules: DataRules) -> CheckResult:
    measured, found = _smallest(samples, "test")
    return judged(
        "test-samples-per-class",
        rules.test_samples_per_class,
        measured,
        "samples",
        found,
        "collect more: a recall measured on so few samples cannot carry a decision",
    )


def _smallest(samples: Samples, split: str) -> tuple[float, str]:
    counts = samples.class_counts.loc[split]
    if counts.empty:
        return np.nan, "the data set has no classes"
    least = counts.idxmin()
    return float(counts[least]), f"the smallest class of {split}, {samples.classes[least]}, has {counts[least]} samples"


_CHECKS: tuple[Callable[[Samples, DataRules], CheckResult], ...] = (
    _empty_classes,
    _files_left_out,
    _channels,
    _unreadable,
    _blank,
    _shape,
    _label_range,
    label_conflict,
    exact_within,
    exact_between,
    near_between,
    _subjects,
    _missing_class,
    _balance,
    _train_size,
    _test_size,
)
