"""A moderate policy passes on real images; each way of destroying them, or of leaking, fails its own check."""

from __future__ import annotations

import io
import math
import os
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities.image import near
from augment_ops.modalities.image.check_rules import AugmentedImageRules
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.quality.rules import QualityRules
from support.places import ROOT

_DATA = Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or ROOT.parent / "shared" / "datasets")

# The others came later, and are done where a file asks for them.
FIRST = [name for name, field in AugmentedImageRules.model_fields.items() if field.is_required()]


@dataclass(frozen=True)
class Real:
    """Images to augment with their labels, and others held out; uint8 (N, H, W, 1)."""

    originals: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray


def _digits() -> Real:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.round(data.images * (255 / 16)).astype(np.uint8)[..., None]
    return Real(images[:1200], data.target[:1200].astype(np.int64), images[1200:])


def _fashion() -> Real:
    path = _DATA / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"
    if not path.is_file():
        pytest.skip(f"Fashion-MNIST is not at {path}: set AUGMENT_OPS_TEST_DATA to the folder of the test data sets")
    images, labels = [], []
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            folder, _, file = member.name.partition("/test/")
            if not file:
                if images and folder.endswith("train"):
                    break
                continue
            if len(labels) == 1000:
                break
            label, _, name = file.partition("/")
            if member.isfile() and int(Path(name).stem) < 100:
                images.append(np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read()))))
                labels.append(int(label))
    assert sorted(set(labels)) == list(range(10))
    stack, kinds = np.stack(images)[..., None], np.array(labels, np.int64)
    return Real(stack[::2], kinds[::2], stack[1::2])


@pytest.fixture(scope="module", params=["digits", "fashion"])
def real(request: pytest.FixtureRequest) -> Real:
    return _digits() if request.param == "digits" else _fashion()


@pytest.fixture(scope="module")
def digits() -> Real:
    return _digits()


def _moderate(images: np.ndarray, noise: float = 0.04) -> np.ndarray:
    """Rotation within ±25 degrees, brightness within ±0.3, light noise: as policies/augment/ does it."""
    rng = np.random.default_rng(11)
    out = np.empty_like(images)
    size = images.shape[1]
    for i, image in enumerate(images):
        turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), rng.uniform(-25, 25), 1.0)
        turned = cv2.warpAffine(image[..., 0], turn, (size, size)).astype(float)
        turned += 255 * rng.uniform(-0.3, 0.3) + rng.normal(0, 255 * noise, turned.shape)
        out[i, ..., 0] = np.clip(np.round(turned), 0, 255)
    return out


def _noise(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(12).normal(0, 0.8 * 255, images.shape)
    return np.clip(np.round(images + noise), 0, 255).astype(np.uint8)


def _shuffled(images: np.ndarray) -> np.ndarray:
    """Quarters of the rows in another order: every statistic stays, the picture goes."""
    return np.concatenate([np.split(images, 4, axis=1)[k][:, :, ::-1] for k in (2, 0, 3, 1)], axis=1)


def _report(real: Real, augmented: np.ndarray, rules: QualityRules, **options: object) -> QualityReport:
    ids = [f"s{i}" for i in range(len(real.originals))]
    return check_augmented(
        real.originals,
        augmented,
        ids,
        real.labels,
        real.held_out,
        rules,
        "plan",
        **options,  # type: ignore[arg-type]
    )


def _named(report: QualityReport) -> dict[str, CheckResult]:
    return {c.name: c for c in report.checks}


def test_moderate_policy_passes(real: Real, rules: QualityRules) -> None:
    report = _report(real, _moderate(real.originals), rules)
    assert [c for c in report.checks if c.status != "ok"] == []
    assert [c.name for c in report.checks] == [n.replace("_", "-") for n in FIRST]
    assert (report.stage, report.subject_digest, report.rules_digest) == ("check_augmented", "plan", rules.digest)


@pytest.mark.parametrize(
    ("destroy", "check"),
    [
        (np.zeros_like, "blank"),
        (lambda images: np.full_like(images, 255), "blank"),
        (_noise, "over-augmentation"),
        (_shuffled, "over-augmentation"),
        (lambda images: 255 - images, "over-augmentation"),
    ],
    ids=["black", "white", "heavy noise", "shuffled", "inverted"],
)
def test_destroying_policy_fails(
    destroy: Callable[[np.ndarray], np.ndarray], check: str, real: Real, rules: QualityRules
) -> None:
    report = _report(real, destroy(real.originals), rules)
    assert report.status == "fail"
    assert _named(report)[check].status == "fail"


def test_copied_held_out_images_fail(real: Real, rules: QualityRules) -> None:
    augmented = _moderate(real.originals)
    taken = np.arange(0, len(augmented), 50)
    augmented[taken] = real.held_out[: len(taken)]
    augmented[taken[::2]] ^= 1  # half of them not exactly
    result = _named(_report(real, augmented, rules))["held-out-leakage"]
    assert (result.status, result.measured) == ("fail", pytest.approx(len(taken) / len(augmented)))
    assert result.samples == tuple(f"s{i}" for i in taken[:10])
    assert f"{len(taken) // 2} equal one" in result.message


def test_where_held_out_images_look_alike_it_is_said_that_only_the_closest_were_compared(
    digits: Real, rules: QualityRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "_MAX_CANDIDATES", 1)
    augmented, held_out = _moderate(digits.originals), digits.held_out.copy()
    held_out[:2] = augmented[0] ^ 1, augmented[0] ^ 2
    message = _named(_report(replace(digits, held_out=held_out), augmented, rules))["held-out-leakage"].message
    assert re.search(r"equal one\) \(\d+ samples had so many look-alikes", message)


def test_shift_of_every_image_is_skew(digits: Real, rules: QualityRules) -> None:
    """Half a range brighter, same direction for all: training no longer sees the originals' brightness at all."""
    brighter = (digits.originals // 2 + 127).astype(np.uint8)
    result = _named(_report(digits, brighter, rules))["feature-skew"]
    assert result.status == "fail"
    before, after = (x.mean(axis=(1, 2, 3)) for x in (digits.originals, brighter))
    assert f"brightness {(after.mean() - before.mean()) / before.std():+.1f}" in result.message


def test_burnt_out_images_are_saturated(digits: Real, rules: QualityRules) -> None:
    augmented = digits.originals.copy()
    augmented[:70] = np.where(augmented[:70] > 0, 255, 0)
    grey = np.clip(digits.originals, 40, 200)
    report = check_augmented(
        grey,
        np.where(np.arange(len(grey))[:, None, None, None] < 70, augmented, grey),
        list(range(len(grey))),
        digits.labels,
        digits.held_out,
        rules,
        "plan",  # type: ignore[arg-type]
    )
    result = _named(report)["saturated"]
    assert (result.status, result.measured) == ("fail", pytest.approx(70 / len(grey)))


def test_translation_and_mirroring_within_reason_are_not_over_augmentation(real: Real, rules: QualityRules) -> None:
    shift = 1 if real.originals.shape[1] < 10 else 3  # about a tenth of the side
    augmented = np.roll(real.originals, shift, axis=2)[:, :, ::-1]
    assert _named(_report(real, augmented, rules))["over-augmentation"].status == "ok"


def test_a_class_that_suffers_alone_is_named(digits: Real, rules: QualityRules) -> None:
    augmented = digits.originals.copy()
    augmented[digits.labels == 3] = 255 - augmented[digits.labels == 3]
    names = [f"digit-{i}" for i in range(10)]
    result = _named(_report(digits, augmented, rules, classes=names))["over-augmentation"]
    assert "class digit-3 (100%)" in result.message
    assert "class" not in _named(_report(digits, 255 - digits.originals, rules))["over-augmentation"].message


def test_a_policy_that_changes_nothing_is_said(digits: Real, rules: QualityRules) -> None:
    unexpected = _named(_report(digits, digits.originals.copy(), rules))["identical"]
    assert (unexpected.status, unexpected.measured) == ("warn", 1.0)
    meant = _report(digits, digits.originals.copy(), rules, identity=True)
    assert meant.status == "ok"
    assert "by design" in _named(meant)["identical"].message


def test_images_blank_before_are_not_blamed_on_the_policy(digits: Real, rules: QualityRules) -> None:
    originals = digits.originals.copy()
    originals[:300] = 7
    blank = Real(originals, digits.labels, digits.held_out)
    assert _named(_report(blank, originals.copy(), rules))["blank"].measured == 0


@pytest.mark.parametrize("what", ["none", "size", "dtype", "count", "no held-out", "held-out dtype"])
def test_what_cannot_be_compared_fails_every_check(what: str, digits: Real, rules: QualityRules) -> None:
    originals, augmented, held_out = digits.originals[:20], digits.originals[:20].copy(), digits.held_out
    ids = [str(i) for i in range(20)]
    if what == "none":
        originals, augmented, ids = originals[:0], augmented[:0], []
    if what == "size":
        augmented = np.pad(augmented, ((0, 0), (1, 1), (0, 0), (0, 0)))
    if what == "dtype":
        augmented = augmented.astype(np.float32)  # type: ignore[assignment]
    if what == "count":
        ids = ids[1:]
    if what == "no held-out":
        held_out = held_out[:0]
    if what == "held-out dtype":
        held_out = held_out / np.float32(255)
    report = check_augmented(originals, augmented, ids, digits.labels[: len(ids)], held_out, rules, "plan")
    assert len(report.checks) == len(FIRST)
    assert all(c.status == "fail" and math.isnan(c.measured) for c in report.checks)


def test_colour_images_are_measured(rules: QualityRules) -> None:
    rng = np.random.default_rng(13)
    originals = cv2.blur(rng.integers(0, 256, (24, 24, 300), np.uint8), (3, 3))
    images = originals.reshape(24, 24, 100, 3).transpose(2, 0, 1, 3)
    spare = rng.integers(0, 256, (5, 24, 24, 3), np.uint8)
    real = Real(np.ascontiguousarray(images), np.zeros(100, np.int64), spare)
    fine = np.clip(images.astype(int) + rng.integers(-9, 9, images.shape), 0, 255).astype(np.uint8)
    assert _report(real, fine, rules).status == "ok"
    one_colour = np.broadcast_to(np.array([250, 20, 90], np.uint8), images.shape)
    assert _named(_report(real, np.ascontiguousarray(one_colour), rules))["blank"].measured == 1.0
