"""A policy's digest names its content: no spelling of the same content changes it, and every other edit does."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.errors import AugmentOpsError, PolicyError
from augment_ops.policy.spec import Policy
from support.policies import HEAD

P = st.sampled_from([0.25, 0.5, 1])
DEGREES = st.integers(1, 90)
SHARE = st.sampled_from([0.05, 0.1, 0.25, 0.5])
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff\x85"), min_size=1)
LEAVES = st.one_of(
    st.builds(lambda d, p: {"Rotate": {"limit": [-d, d], "p": p}}, DEGREES, P),
    st.builds(lambda s, p: {"RandomBrightnessContrast": {"brightness_limit": s, "p": p}}, SHARE, P),
    st.builds(lambda s: {"Affine": {"translate_percent": {"x": [-s, s], "y": [0, s]}}}, SHARE),
    st.builds(lambda s, p: {"GaussNoise": {"std_range": [0, s], "per_channel": p == 1, "p": p}}, SHARE, P),
)
STEPS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda name, steps, p: {name: {"transforms": steps, "p": p}},
        st.sampled_from(["OneOf", "SomeOf", "Sequential"]),
        st.lists(inner, min_size=1, max_size=3),
        P,
    ),
    max_leaves=4,
)
CONTENT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["ocr-robust", "a", "x-1"]),
        "version": st.sampled_from(["1.0.0", "0.2.10"]),
        "modality": st.just("image"),
        "domain": st.sampled_from(["general", "text-recognition"]),
        "owner": WORDS,
        "description": WORDS,
        "limitations": st.lists(WORDS, max_size=2),
        "discovered_by": st.none() | st.fixed_dictionaries({"method": WORDS, "mlflow_run": WORDS}),
        "budget": st.fixed_dictionaries({"p95_ms": st.sampled_from([1, 2.5]), "at": st.just([8, 8, 1])}),
        "transforms": st.lists(STEPS, max_size=3),
        "mixing": st.none() | st.fixed_dictionaries({"kind": st.sampled_from(["mixup", "cutmix"]), "p": P}),
    }
)


def spelled(value: Any, chance: random.Random) -> str:  # noqa: PLR0911 - one for each kind
    """One of the ways to write a value as flow YAML, over several lines and with comments."""
    gap = chance.choice(["", " ", "\n    ", "  # a: comment\n   "])
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return "{" + ",".join(f"{gap} {key}: {spelled(v, chance)}" for key, v in items) + gap + " }"
    if isinstance(value, list):
        return "[" + ",".join(f"{gap} {spelled(v, chance)}" for v in value) + gap + " ]"
    if value is None:
        return chance.choice(["null", "~", "Null"])
    if isinstance(value, bool):
        return chance.choice(["true", "True", "yes", "on"] if value else ["false", "no", "off"])
    if isinstance(value, int):
        return chance.choice([str(value), f"{value}.0", f"{value}.", f"{value}.000", f"{value}.0e+0"])
    if isinstance(value, float):
        return chance.choice([repr(value), f"{value}00", f"{value:.3e}", f"{value:+}"])
    assert isinstance(value, str)
    return json.dumps(value, ensure_ascii=chance.random() < 0.5)


def written(content: dict[str, Any], chance: random.Random) -> str:
    lines = [f"{key}: {spelled(value, chance)}\n" for key, value in content.items()]
    chance.shuffle(lines)
    return chance.choice(["", "---\n", "# A comment\n\n"]) + chance.choice(["", "\n", "# more\n"]).join(lines)


def digest(text: str) -> str:
    return Policy.from_text(text).digest


@settings(max_examples=40, deadline=None)
@given(CONTENT, st.integers(0, 2**32))
def test_no_spelling_changes_the_digest(content, seed):
    chance = random.Random(seed)
    plain = Policy.from_text(json.dumps(content, ensure_ascii=False))
    assert plain.digest == digest(written(content, chance)) == digest(written(content, chance))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything that can be edited: values, keys of transforms, and members of lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, part in inner for place in places(part, (*path, key))]


EDITS = {
    "ocr-robust": "ocr-robust-2",
    "a": "b",
    "x-1": "x-2",
    "1.0.0": "1.0.1",
    "0.2.10": "0.2.1",
    "general": "text-recognition",
    "text-recognition": "general",
    "Rotate": "SafeRotate",
    "OneOf": "Sequential",
    "SomeOf": "Sequential",
    "Sequential": "OneOf",
    "mixup": "cutmix",
    "cutmix": "mixup",
}


def edited(content: dict[str, Any], place: tuple[Any, ...], kind: int) -> dict[str, Any] | None:  # noqa: PLR0912 - one for each kind
    """`content` with one edit that keeps it valid, or None where this kind of edit does not apply there."""
    content = copy.deepcopy(content)
    *above, last = place
    holder: Any = content
    for key in above:
        holder = holder[key]
    value = holder[last]
    if isinstance(holder, list) and kind == 0 and isinstance(value, (dict, str)):
        if above[-1] == "transforms" and len(holder) == 1 and len(above) > 1:
            return None  # a container needs one
        del holder[last]
    elif isinstance(holder, list) and kind == 1 and last and holder[last] != holder[last - 1] and above[-1] != "at":
        if not isinstance(value, (dict, str)):
            return None  # a range out of order is refused
        holder[last - 1], holder[last] = holder[last], holder[last - 1]
    elif last in EDITS and isinstance(holder, dict) and kind == 2:
        holder[EDITS[last]] = holder.pop(last)
    elif isinstance(value, bool):
        holder[last] = not value
    elif isinstance(value, int) and last != "p":
        holder[last] = value * 2 if value else -1 if "std_range" not in place else 0.01
    elif isinstance(value, (int, float)):
        holder[last] = value / 4 if "p" in place or value > 0 else value * 1.1
        if isinstance(holder, list) and holder != sorted(holder):
            return None
    elif isinstance(value, str):
        if last == "modality":
            return None
        holder[last] = EDITS.get(value, value + "x") if last in ("name", "version", "domain", "kind") else value + "x"
    else:
        return None
    return content


@settings(max_examples=100, deadline=None)
@given(CONTENT, st.data())
def test_every_other_edit_changes_the_digest(content, data):
    place = data.draw(st.sampled_from(places(content)))
    other = edited(content, place, data.draw(st.integers(0, 2)))
    if other is None or other == content:
        return
    assert digest(json.dumps(other)) != digest(json.dumps(content)), (place, other)


def test_the_defaults_of_the_head_may_be_left_out():
    content = {
        "name": "a",
        "version": "1.0.0",
        "modality": "image",
        "domain": "d",
        "owner": "o",
        "description": "e",
        "budget": {"p95_ms": 1, "at": [8, 8, 1]},
        "transforms": [],
    }
    full = {**content, "limitations": [], "discovered_by": None, "mixing": None}
    assert digest(json.dumps(content)) == digest(json.dumps(full))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rotate: {limit: 5}", "Rotate: {limit: [-5, 5]}"),  # the same to albumentations today, not by its text
        ("Rotate: {p: 0.5}", "Rotate: {}"),  # a default that is written down stays when the library changes its own
        ("Rotate: {p: 1}", "Rotate: {p: true}"),
        ("Rotate: {p: 1}", "Rotate: {p: '1'}"),
        ("Rotate: {limit: 0}", "Rotate: {limit: [0, 0]}"),
    ],
)
def test_values_of_another_kind_are_another_content(one, other):
    head = "name: a\nversion: 1.0.0\nmodality: image\ndomain: d\nowner: o\ndescription: e\n"
    head += "budget: {p95_ms: 1, at: [8, 8, 1]}\ntransforms:\n"
    assert digest(f"{head}  - {one}\n") != digest(f"{head}  - {other}\n")


# What a person can write instead of a value. None of it may crash, or get past the checks as something that crashes.
ODD = st.sampled_from(
    [
        "null",
        "{}",
        "[]",
        "true",
        "x",
        "''",
        "-1",
        "0",
        "1.0e+300",
        "'nan'",
        "'inf'",
        "[1]",
        "[2, 1]",
        "[1, 2, 3]",
        "[x, y]",
        "{x: 1}",
        "{x: [1, 2]}",
        "2020-01-01",
        "99999999999999999999999",
        "[[1, 2], [3, 4]]",
        ".nan",
        "'5'",
        "[null, null]",
        "{1: 2}",
        "!!set {a}",
        "&a [*a]",
        "1e3",
        '"\\ud800"',
    ]
)
TARGETS = st.sampled_from(
    [
        ("Affine", "scale"),
        ("Affine", "rotate"),
        ("Affine", "translate_percent"),
        ("Affine", "shear"),
        ("Rotate", "limit"),
        ("ColorJitter", "brightness"),
        ("GaussNoise", "std_range"),
        ("Perspective", "scale"),
        ("GaussianBlur", "sigma_limit"),
        ("CoarseDropout", "num_holes_range"),
        ("HueSaturationValue", "hue_shift_limit"),
        ("OneOf", "transforms"),
        ("OneOf", "p"),
        ("SomeOf", "n"),
        ("Affine", "p"),
        ("Affine", "1"),
        ("Affine", "translate_px"),
        ("Posterize", "num_bits"),
        ("Rotate", "border_mode"),
        ("Rotate", "fill"),
        ("RandomGamma", "gamma_limit"),
        ("MotionBlur", "blur_limit"),
    ]
)


@settings(max_examples=120, deadline=None)
@given(TARGETS, ODD, st.integers(0, 2))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_odd_values_are_policy_errors_or_work(target, value, depth):
    import numpy as np

    from augment_ops.modalities.image.augmenter import Augmenter
    from augment_ops.modalities.image.bounds import ImageLimits
    from augment_ops.policy.limits import limit_faults

    name, parameter = target
    step = f"{{{name}: {{{parameter}: {value}}}}}"
    if name == "SomeOf" and parameter != "transforms":
        step = f"{{SomeOf: {{{parameter}: {value}, transforms: [{{Blur: {{}}}}]}}}}"
    for _ in range(depth):
        step = f"{{OneOf: {{transforms: [{step}]}}}}"
    head = "name: a\nversion: 1.0.0\nmodality: image\ndomain: d\nowner: o\ndescription: e\n"
    limits = ImageLimits(
        domain="d",
        description="e",
        max_rotation_deg=45,
        max_shear_deg=30,
        max_translation_share=0.3,
        scale_range=(0.5, 2),
        max_brightness_change=0.6,
        max_contrast_change=0.8,
        max_noise_std=0.3,
        max_hue_shift_deg=40,
    )
    try:
        policy = Policy.from_text(f"{head}budget: {{p95_ms: 1, at: [8, 8, 1]}}\ntransforms: [{step}]\n")
    except PolicyError:
        return
    faults = limit_faults(policy, limits)
    if not faults:
        images = np.full((3, 8, 8, 3), 100, np.uint8)
        try:
            assert Augmenter(policy, 7)(images, [0, 1, 2]).shape == images.shape
        except AugmentOpsError:
            return


@pytest.mark.parametrize("spelling", ["1e-2", "1.e-2", "1E-2", ".1e-1", "0.01", "+1e-2"])
def test_a_number_is_one_number_however_its_exponent_is_written(spelling):
    """YAML 1.1 reads 1e-2 as a text; also inside containers, whose own p has to be a number."""
    steps = (
        f"  - OneOf: {{p: {spelling}, transforms: [{{GaussNoise: {{std_range: [0, {spelling}], p: {spelling}}}}}]}}\n"
    )
    assert Policy.from_text(HEAD + steps).digest == Policy.from_text(HEAD + steps.replace(spelling, "0.01")).digest
