"""Quality checks know no modality: thresholds, checks and words of rows are found where those of images are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import PolicyError
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples, check_snapshot
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT
from support.places import POLICIES
from support.readings import SCHEMA, AugmentedReadingRules, ReadingRules, registered

NONE = {"warn_above": 0, "fail_above": 0}
FILE = {
    "name": "sensors",
    "version": "1.0.0",
    "description": "For tests.",
    "modality": "readings",
    "check_data": {name.replace("_", "-"): NONE for name in ReadingRules.model_fields},
    "check_augmented": {name.replace("_", "-"): NONE for name in AugmentedReadingRules.model_fields},
}
VALUES = np.arange(20, dtype=np.float64).reshape(10, 2)


@pytest.fixture(autouse=True)
def _readings() -> Iterator[None]:
    with registered():
        yield


def written(folder: Path, **changes: object) -> Path:
    path = folder / "sensors.yaml"
    path.write_text(yaml.safe_dump(FILE | changes), encoding="utf-8")
    return path


def test_a_file_is_read_by_the_checks_of_its_modality(tmp_path: Path) -> None:
    read = QualityRules.load(written(tmp_path))
    assert type(read.check_data) is ReadingRules
    assert type(read.check_augmented) is AugmentedReadingRules
    with pytest.raises(PolicyError) as caught:
        QualityRules.load(written(tmp_path, check_data=FILE["check_data"] | {"missing-value": NONE}))  # type: ignore[operator]
    (fault,) = caught.value.faults
    assert "missing_values" in fault.expected
    assert "Did you mean missing" in fault.fix
    with pytest.raises(PolicyError, match=r"(?s)sensors.yaml: modality: found 'reading'.*Did you mean readings"):
        QualityRules.load(written(tmp_path, modality="reading"))
    with pytest.raises(PolicyError, match="blank-or-constant"):
        QualityRules.load(written(tmp_path, modality="image"))


def test_digests_of_files_for_images_do_not_know_of_modalities(tmp_path: Path) -> None:
    shipped = POLICIES / "quality" / "default.yaml"
    said = tmp_path / "default.yaml"
    said.write_text(shipped.read_text(encoding="utf-8") + "modality: image\n", encoding="utf-8")
    before = "630498f40b9505c999ede409a0fdf61d58b42f7cf02ec2f336963d3d0caf751b"
    assert QualityRules.load(shipped).digest == QualityRules.load(said).digest == before


def test_rows_are_checked_in_their_own_words(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[4, 0], values[9] = np.nan, values[0]
    index = pd.DataFrame(
        {"sample_id": [f"r{i}" for i in range(11)], "label": [0, 1] * 5 + [0], "row": [*range(10), -1]}
    )
    index = index.assign(split=["train"] * 5 + ["test"] * 6, subject=None, defect=[None] * 10 + ["shape: 3"])
    index[CONTENT] = [sha256_hex(row.tobytes()) for row in values] + [None]
    rules = QualityRules.load(written(tmp_path))
    found = {check.name: check for check in check_samples(index, values, ("a", "b"), rules, schema=SCHEMA)}
    assert list(found) == list(FILE["check_data"])  # type: ignore[call-overload]
    assert "5% of depth, force is missing" in found["missing-values"].message
    assert "2 of 10 samples have the values of a sample with another label" in found["label-conflict"].message
    assert "1 of 5 test samples repeat the values of" in found["exact-duplicates-between-splits"].message
    assert found["unreadable"].samples == ("r10",), "no other check of this modality looks at shapes"
    assert "1 of 11 rows cannot be read" in found["unreadable"].message


def test_augmented_rows_are_compared_with_their_originals_though_values_are_missing(tmp_path: Path) -> None:
    rules = QualityRules.load(written(tmp_path))
    originals = VALUES.copy()
    originals[0, 1] = np.nan
    augmented = originals.copy()
    augmented[1:4] += 1

    def compared(after: np.ndarray, held_out: np.ndarray = VALUES, classes: int = 1) -> dict[str, tuple[float, str]]:
        labels = np.arange(10) * classes // 10
        report = check_augmented(originals, after, list("abcdefghij"), labels, held_out, rules, "plan", schema=SCHEMA)
        return {check.name: (check.measured, check.message) for check in report.checks}

    found = compared(augmented)
    assert found["identical"][0] == pytest.approx(0.7), "a value that is missing in both is no difference"
    share, message = compared(augmented, classes=2)["identical"]
    assert share == pytest.approx(0.4) and "7 of 10" in message and "2 of 5 in the classes that the policy" in message
    assert compared(originals, classes=2)["identical"][0] == 1
    assert found["missing-values"] == (0.1, "1 of 10 augmented readings lack one of ['depth', 'force']; look.")
    for wrong in (compared(augmented.astype(np.float32)), compared(augmented, VALUES.astype(np.float32))):
        assert list(wrong) == ["missing-values", "identical"]
        assert all(np.isnan(measured) and "readings are float32" in message for measured, message in wrong.values())


def test_thresholds_of_another_modality_than_the_snapshots_are_one_error(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    snapshot = Snapshot.open(store, ingest("digits", store, max_samples=60).digest)
    with pytest.raises(PolicyError, match="sensors: modality: found readings; expected image"):
        check_snapshot(snapshot, QualityRules.load(written(tmp_path)))
