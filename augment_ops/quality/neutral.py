"""Checks that need not know what a sample looks like: damage, labels, subjects, classes, balance and size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augment_ops.modalities.source import OUT_OF_SCOPE
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, Floor, judged
from augment_ops.quality.samples import SPLITS, CheckedSamples, ids, listed, share


def empty_classes(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Class folders in which nothing was read."""
    empty = samples.reading.empty_classes
    return judged(
        "classes-without-samples",
        rule,
        len(empty),
        "classes",
        f"{len(empty)} class folders have no sample{': ' if empty else ''}{listed(empty)}{_left_out(samples, empty)}",
        f"give them {samples.modality.plural} of a format that is read, or take the folders away",
    )


def files_left_out(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Files in class folders that are not read."""
    files = sum(one.files for one in samples.reading.left_out)
    return judged(
        "files-left-out",
        rule,
        files,
        "files",
        f"{files} files in class folders are not read{_left_out(samples)}",
        f"save {samples.modality.plural} in a format that is read, and take other files elsewhere",
    )


def _left_out(samples: CheckedSamples, classes: Sequence[str] | None = None) -> str:
    found = samples.reading.left_out
    texts = [one.text for one in found if classes is None or one.folder.rpartition("/")[2] in classes]
    return f" ({listed(texts)})"[:400] if texts else ""


def unreadable(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of all samples that cannot be read."""
    # Defects of a kind not known here count as unreadable: they must not pass because nobody looks at them.
    checks = samples.modality.checks
    known = ("label", "shape") if "shape_mismatch" in checks.data else ("label",)
    bad = samples.index[(samples.defect != "") & ~samples.defect.str.startswith(known)]
    first = "" if bad.empty else f"; the first is {bad['sample_id'].iloc[0]}: {bad['defect'].iloc[0]}"[:160]
    return judged(
        "unreadable",
        rule,
        share(len(bad), len(samples.index)),
        "share",
        f"{len(bad)} of {len(samples.index)} {checks.records} cannot be read or are cut short{first}",
        "restore them from their source, or take them out of the data set",
        ids(bad),
    )


def label_range(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of all samples without a label, or with one that is no class; those that are to have none are in order."""
    apart = samples.index["split"] == OUT_OF_SCOPE
    bad = samples.index[~(samples.labelled | apart) | samples.defect.str.startswith("label")]
    return judged(
        "label-range",
        rule,
        share(len(bad), len(samples.index)),
        "share",
        f"{len(bad)} of {len(samples.index)} samples have no label, or one outside the {len(samples.classes)} classes",
        "correct the labels in the source, or take the samples out",
        ids(bad),
    )


def subjects(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Subjects that have samples in more than one split."""
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
        rule,
        len(subjects),
        "subjects",
        found,
        "keep each subject in one split, or leave the splitting to the ingestion",
        ids(shared[shared["split"] != "train"]),
    )


def missing_class(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Times that a class has no usable sample in a split."""
    subjects = samples.usable.groupby("label")["subject"].nunique()
    places = [
        f"{samples.classes[label]} in {split}{_too_few(int(subjects.get(label, 0)))}"
        for split in SPLITS
        for label in np.flatnonzero(samples.class_counts.loc[split] == 0)
    ]
    found = f"{len(places)} times a class has no usable sample in a split" + (f": {listed(places)}" if places else "")
    return judged(
        "missing-class",
        rule,
        len(places) if samples.classes else np.nan,
        "classes",
        found,
        "add samples, or take the class out: it cannot be learnt or cannot be measured",
    )


def _too_few(subjects: int) -> str:
    """Why a class is not in every split, where it has subjects but fewer than splits."""
    return f" (it has {subjects} subjects; {len(SPLITS)} are needed)" if 0 < subjects < len(SPLITS) else ""


def balance(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Samples of the largest class of train, as a multiple of those of the smallest that has any."""
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
        rule,
        measured,
        "ratio",
        found,
        "collect more of the small classes, or weigh them in training",
    )


def train_size(samples: CheckedSamples, rule: Floor) -> CheckResult:
    """Usable samples of the smallest class of train."""
    measured, found = _smallest(samples, "train")
    return judged(
        "train-samples-per-class",
        rule,
        measured,
        "samples",
        found,
        "collect more, or merge the class with another",
    )


def test_size(samples: CheckedSamples, rule: Floor) -> CheckResult:
    """Usable samples of the smallest class of test."""
    measured, found = _smallest(samples, "test")
    return judged(
        "test-samples-per-class",
        rule,
        measured,
        "samples",
        found,
        "collect more: a recall measured on so few samples cannot carry a decision",
    )


def _smallest(samples: CheckedSamples, split: str) -> tuple[float, str]:
    counts = samples.class_counts.loc[split]
    if counts.empty:
        return np.nan, "the data set has no classes"
    least = counts.idxmin()
    return float(counts[least]), f"the smallest class of {split}, {samples.classes[least]}, has {counts[least]} samples"
