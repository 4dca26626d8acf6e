"""Families with `limits: domain`: narrowed to what their domain allows, said so, bound into the digest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.errors import PolicyError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.bounds import ImageBounds, ImageLimits
from augment_ops.modalities.image.narrowing import BOUNDS
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.diff import compare
from augment_ops.policy.library import admit, load
from augment_ops.policy.limits import limit_faults
from augment_ops.policy.published import keep_published, load_published
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform
from augment_ops.policy.trial import trial_faults
from support.places import POLICIES

FAMILIES = (
    "TrivialAugment: {limits: domain}",
    "RandAugment: {num_ops: 3, magnitude: 30, limits: domain}",
    "AutoAugment: {policy: cifar10, limits: domain}",
    "AutoAugment: {policy: imagenet, limits: domain}",
    "AutoAugment: {policy: svhn, limits: domain}",
    "AugMix: {severity: 10, limits: domain}",
)
DOMAINS = ("general", "natural-images", "medical", "driving", "text-recognition")


def leaves(transforms: tuple[Transform, ...]) -> list[Transform]:
    return [leaf for t in transforms for leaf in (leaves(t.children) if t.children else [t])]


def plain(transforms: tuple[Transform, ...]) -> list[object]:
    return [(t.name, dict(t.params), plain(t.children)) for t in transforms]


def inside(policy: Policy) -> list[object]:
    return [plain(t.children) for t in policy.transforms]


@pytest.fixture
def library(policies: Path, text) -> Path:
    """A domain of its own, and a policy in it."""
    limits = "domain: roads\ndescription: d\nmax_rotation_deg: 10\nforbidden: {Solarize: signals would change}\n"
    (policies / "limits" / "roads.yaml").write_text(limits)
    written = text("RandAugment: {num_ops: 2, magnitude: 30, limits: domain}", name="wide", domain="roads")
    (policies / "augment" / "wide.yaml").write_text(written)
    return policies


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("step", FAMILIES)
def test_every_family_runs_in_every_domain(text, step, domain):
    """Within the limits, compiled, and from its own text alone with the same bytes."""
    policy = Policy.from_text(text(step, domain=domain), policies=POLICIES)
    assert limit_faults(policy, load_limits(POLICIES, domain)) == []
    again = Policy.from_text(policy.text)
    assert (again.digest, again.transforms, again.narrowed) == (policy.digest, policy.transforms, policy.narrowed)
    assert trial_faults(policy, (8, 8, 1)) == []
    if domain == "natural-images" and "num_ops: 3" not in step and "severity" not in step:
        assert policy.narrowed == ()
        assert inside(policy) == inside(Policy.from_text(text(step.replace("limits: domain", ""))))


# A third of the smallest subnormal number is 0: such a bound leaves nothing, rightly.
bound = st.one_of(st.none(), st.just(0.0), *(st.floats(0, most, allow_subnormal=False) for most in (1, 180)))
held = st.sets(st.sampled_from(["Affine", "ColorJitter", "Equalize", "Posterize", "Rotate", "Solarize"]))


@settings(max_examples=25, deadline=None)
@given(
    bounds=st.fixed_dictionaries(dict.fromkeys(sorted(BOUNDS), bound)),
    forbidden=held,
    step=st.sampled_from(FAMILIES),
)
def test_what_is_left_is_within_any_limits(bounds, forbidden, step):
    """And nothing is left out that is not forbidden, while its bound leaves something of it."""
    limits = ImageLimits.model_validate(
        {"domain": "any", "description": "d", "forbidden": dict.fromkeys(forbidden, "no"), **bounds}
    )
    head = "name: t\nversion: 1.0.0\nmodality: image\ndomain: any\nowner: t\ndescription: d\n"
    head += "budget: {p95_ms: 1, at: [28, 28, 1]}\n"
    told = json.dumps(limits.model_dump(include={*BOUNDS, "forbidden"}, exclude_none=True))
    policy = Policy.from_text(f"{head}transforms: [{step}]\nnarrowed_to: {told}\n")
    assert limit_faults(policy, limits) == []
    assert all(one.after or one.why == "no" or bounds[one.why] == 0 for one in policy.narrowed)


def test_validation_has_what_was_narrowed_and_left_out(library, text):
    policy = load(library, "wide")
    told = policy.narrowings()
    where = "transforms[0].RandAugment"
    rotate = f"{where}: Rotate narrowed from ±30° to ±5° (policies/limits/roads.yaml: max_rotation_deg for 2 in a row)"
    assert told == [rotate, f"{where}: Solarize left out (policies/limits/roads.yaml: signals would change)"]
    names = [leaf.name for leaf in leaves(policy.transforms)]
    assert "Solarize" not in names
    assert [list(t.params["limit"]) for t in leaves(policy.transforms) if t.name == "Rotate"][:2] == [[5, 5], [-5, -5]]
    alternatives = [len(choice.children) for choice in policy.transforms[0].children]
    assert alternatives == [13, 13]  # of 14


def test_pixels_become_shares_of_the_size_that_the_policy_is_for(text):
    """They never become more: 32 pixels of 224 are less than the 0.3 that the domain allows."""
    for at, share in (("[28, 28, 1]", 0.3), ("[224, 224, 3]", 32 / 224), ("[64, 320, 1]", 0.1)):
        budget = f"{{p95_ms: 1, at: {at}}}"
        policy = Policy.from_text(text("TrivialAugment: {limits: domain}", budget=budget), policies=POLICIES)
        found = [t.params["translate_percent"] for t in leaves(policy.transforms) if "translate_percent" in t.params]
        assert found[0]["x"] == pytest.approx([-share, share])
        assert not any("translate_px" in t.params for t in leaves(policy.transforms))
        assert any(
            line.startswith("transforms[0].TrivialAugment: TranslateX narrowed from ±32 px")
            for line in policy.narrowings()
        )


def test_what_can_follow_each_other_shares_a_bound(text):
    """TranslateY twice in one pair of AutoAugment: half of it each; alone: all of it."""
    policy = Policy.from_text(text("AutoAugment: {policy: cifar10, limits: domain}"), policies=POLICIES)
    pairs = [
        [max(t.params["translate_percent"]["y"]) for t in leaves((pair,)) if "translate_percent" in t.params]
        for pair in policy.transforms[0].children[0].children
    ]
    assert {tuple(sorted(set(pair))) for pair in pairs if len(pair) == 4} == {(-0.15, 0.15)}
    assert max(max(pair, default=0) for pair in pairs) == pytest.approx(0.3)


def test_the_same_bytes_from_file_library_and_text(library):
    path, images = library / "augment" / "wide.yaml", np.arange(2048, dtype=np.uint16).reshape(32, 8, 8, 1)
    images = (images % 256).astype(np.uint8)
    made = [
        Augmenter(policy, 7)(images, range(32))
        for policy in (Policy.load(path), load(library, "wide"), Policy.from_text(load(library, "wide").text))
    ]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])
    assert (made[0] != images).any()


def test_the_digest_follows_the_limits_that_bear_on_families(library, text):
    path = library / "limits" / "roads.yaml"
    before, written = load(library, "wide"), path.read_text()
    for same in (
        ("description: d", "description: other words"),
        ("would change", "are red"),
        ("max_rot", "max_gamma_change: 1\nmax_rot"),
    ):
        path.write_text(written.replace(*same))
        assert load(library, "wide").digest == before.digest, same
    for other in (
        ("deg: 10", "deg: 9"),
        ("Solarize:", "Equalize: e, Solarize:"),
        ("max_rot", "max_shear_deg: 50\nmax_rot"),
    ):
        path.write_text(written.replace(*other))
        assert load(library, "wide").digest != before.digest, other
    path.write_text(written)
    assert load(library, "wide").digest == before.digest


def test_limits_that_change_do_not_change_what_was_published(library):
    published = load(library, "wide")
    copy = keep_published(library, published)
    limits = library / "limits" / "roads.yaml"
    written = limits.read_text()
    limits.write_text(written.replace("deg: 10", "deg: 20"))
    with pytest.raises(PolicyError) as caught:
        admit(library, "wide")
    (fault,) = caught.value.faults
    assert fault.where == f"{library}/augment/wide.yaml, narrowed to {limits}: max_rotation_deg"
    assert (fault.found, fault.expected) == ("20.0", "10.0, as version 1.0.0 was published")
    assert admit(library, "wide@1.0.0").digest == published.digest  # as it was, and within the wider limits
    limits.write_text(written.replace("deg: 10", "deg: 8"))
    with pytest.raises(PolicyError, match="can reach 10 in all"):
        admit(library, "wide@1.0.0")
    assert load_published(library, "wide", "1.0.0").transforms == published.transforms
    unbound = "\n".join(line for line in copy.read_text().splitlines() if not line.startswith("narrowed_to")) + "\n"
    copy.write_text(unbound)
    with pytest.raises(PolicyError, match=r"RandAugment.limits: found 'domain', whose limits are not at hand"):
        load_published(library, "wide", "1.0.0")


def test_a_domain_that_leaves_nothing(policies, text):
    forbidden = ["Affine", "Rotate", "ColorJitter", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]
    limits = {"domain": "still", "description": "d", "forbidden": dict.fromkeys([*forbidden, "InvertImg"], "still")}
    (policies / "limits" / "still.yaml").write_text(json.dumps(limits))
    for step in FAMILIES:
        with pytest.raises(PolicyError, match="limits: found a domain that leaves none of its operations") as caught:
            Policy.from_text(text(step, domain="still"), policies=policies)
        assert "move the policy to another domain" in str(caught.value)


def test_a_bound_of_nothing_leaves_an_operation_out(policies, text):
    (policies / "limits" / "upright.yaml").write_text("domain: upright\ndescription: d\nmax_rotation_deg: 0\n")
    policy = Policy.from_text(text("TrivialAugment: {limits: domain}", domain="upright"), policies=policies)
    (out,) = policy.narrowed
    assert (out.operation, out.after, out.why) == ("Rotate", "", "max_rotation_deg")
    assert not any(t.name == "Rotate" for t in leaves(policy.transforms))


@pytest.mark.parametrize(
    ("step", "more", "says"),
    [
        ("TrivialAugment: {limits: general}", {}, "TrivialAugment.limits: found 'general'"),
        ("TrivialAugment: {limits: domain}", {"domain": "nowhere"}, "domain with limits"),
        ("TrivialAugment: {limits: domain}", {"domain": "../limits/general"}, "domain: found '../limits/general'"),
        ("TrivialAugment: {}", {"narrowed_to": "{max_rotation_deg: 5}"}, "narrowed_to: found bounds for nobody"),
        ("TrivialAugment: {limits: domain}", {"narrowed_to": "{max_rotation: 5}"}, "Did you mean max_rotation_deg?"),
        ("Rotate: {limits: domain}", {}, "unknown parameter 'limits'"),
    ],
)
def test_faults(text, step, more, says):
    with pytest.raises(PolicyError) as caught:
        Policy.from_text(text(step, **more), policies=POLICIES)
    assert says in str(caught.value)


def test_a_file_outside_a_library_says_what_it_lacks(tmp_path, text):
    path = tmp_path / "deep" / "deeper" / "tested.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text("OneOf: {transforms: [{AugMix: {limits: domain}}]}"))
    with pytest.raises(PolicyError, match=r"AugMix.limits: found 'domain', whose limits are not at hand"):
        Policy.load(path)
    assert Policy.load(path, POLICIES).digest == load(POLICIES, str(path)).digest


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda text: text,
        lambda text: text.rstrip("\n"),
        lambda text: f"{text}# the end",
        lambda text: f"{text}...\n",
        lambda text: "".join(f"  {line}\n" for line in text.splitlines()),
        lambda text: text.replace("description: For tests.\n", "") + "description: |+\n  For tests.\n\n\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: json.dumps(_content(text)),
        lambda text: json.dumps(_content(text), indent=1).replace("\n}", ", # all\n}"),
    ],
)
def test_bounds_join_a_text_however_it_is_laid_out(text, lay_out):
    written = lay_out(text("TrivialAugment: {limits: domain}"))
    policy = Policy.from_text(written, policies=POLICIES)
    assert policy.narrowed_to == ImageBounds(
        max_rotation_deg=45,
        max_shear_deg=30,
        max_translation_share=0.3,
        max_brightness_change=0.6,
        max_contrast_change=0.8,
    )
    assert Policy.from_text(policy.text).digest == policy.digest


def _content(text: str) -> dict[str, object]:
    from augment_ops.policy.yaml_file import parse

    return parse(text, "tested")


def test_the_difference_names_what_another_domain_leaves(text):
    one, other = (
        Policy.from_text(text("RandAugment: {magnitude: 28, limits: domain}", domain=d), policies=POLICIES)
        for d in ("general", "driving")
    )
    found = compare(one, other, load_limits(POLICIES, "driving"))
    assert found.narrowed["transforms[0].RandAugment Rotate"] == ("±22.5°", "±5°")
    assert "narrowed transforms[0].RandAugment Solarize: not narrowed → left out" in found.lines()
    assert found.head["narrowed_to"][1]["max_rotation_deg"] == 10
    assert json.loads(found.to_json())["narrowed"]["transforms[0].RandAugment Rotate"] == ["±22.5°", "±5°"]


def test_a_family_may_be_forbidden_by_its_name(text):
    limits = ImageLimits(domain="general", description="d", forbidden={"TrivialAugment": "one at a time"})
    (fault,) = limit_faults(Policy.from_text(text("OneOf: {transforms: [{TrivialAugment: {}}]}")), limits)
    assert fault.where == "transforms[0].OneOf.transforms[0].TrivialAugment"
    assert "one at a time" in fault.expected
