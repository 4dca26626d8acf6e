from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.bounds import ImageLimits
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.bounds import load_limits
from augment_ops.policy.limits import check_limits, limit_faults
from augment_ops.policy.spec import Policy
from support.places import POLICIES
from support.truths import edges

ALL = {
    "max_rotation_deg": 30, "max_shear_deg": 10, "max_translation_share": 0.2, "scale_range": (0.5, 2.0),
    "max_brightness_change": 0.3, "max_contrast_change": 0.3, "max_noise_std": 0.1, "max_hue_shift_deg": 40,
    "max_saturation_change": 0.3, "max_channel_shift": 0.1, "max_gamma_change": 0.2, "max_perspective_share": 0.1,
    "max_distortion_share": 0.2, "max_elastic_px": 30,
}  # fmt: skip


def limits(**bounds: object) -> ImageLimits:
    return ImageLimits.model_validate({"domain": "tested", "description": "For tests.", **(bounds or ALL)})


def faults(text: str, **bounds: object) -> list[str]:
    return [str(fault) for fault in limit_faults(Policy.from_text(text), limits(**bounds))]


# One setting at its bound, and one just beyond, for each that a domain can limit.
EDGES = [
    ("Affine: {{rotate: {}}}", "30", "31", "rotate"),
    ("Affine: {{rotate: [-10, {}]}}", "30", "30.5", "rotate"),
    ("Affine: {{rotate: '{}'}}", "30", "31", "rotate"),
    ("Rotate: {{limit: {}}}", "30", "31", "limit"),
    ("Rotate: {{limit: [{}, 5]}}", "-30", "-31", "limit"),
    ("SafeRotate: {{limit: {}}}", "30", "31", "limit"),
    ("RandomRotate90: {{p: {}}}", "0", "0.1", "p"),
    ("D4: {{p: {}}}", "0", "0.1", "p"),
    ("Affine: {{shear: {}}}", "10", "11", "shear"),
    ("Affine: {{shear: {{x: [0, 3], y: [-3, {}]}}}}", "10", "11", "shear"),
    ("Affine: {{translate_percent: {}}}", "0.2", "0.21", "translate_percent"),
    ("Affine: {{translate_percent: {{x: [{}, 0]}}}}", "-0.2", "-0.21", "translate_percent"),
    ("Affine: {{translate_px: {}}}", "0", "1", "translate_px"),
    ("Affine: {{scale: [{}, 1]}}", "0.5", "0.49", "scale"),
    ("Affine: {{scale: [1, {}]}}", "2", "2.1", "scale"),
    ("Affine: {{scale: '{}'}}", "2", "10", "scale"),
    ("Affine: {{scale: {{x: [1, 1], y: [1, {}]}}}}", "2", "2.1", "scale"),
    ("RandomBrightnessContrast: {{brightness_limit: {}}}", "0.3", "0.31", "brightness_limit"),
    ("RandomBrightnessContrast: {{contrast_limit: [{}, 0.1]}}", "-0.3", "-0.31", "contrast_limit"),
    ("ColorJitter: {{brightness: {}, hue: 0}}", "0.3", "0.31", "brightness"),
    ("ColorJitter: {{brightness: [{}, 1], hue: 0}}", "0.7", "0.69", "brightness"),
    ("ColorJitter: {{contrast: {}, hue: 0}}", "0.3", "0.31", "contrast"),
    ("GaussNoise: {{std_range: [0.01, {}]}}", "0.1", "0.11", "std_range"),
    ("HueSaturationValue: {{hue_shift_limit: {}}}", "20", "21", "hue_shift_limit"),  # of OpenCV's 180: 40°
    ("HueSaturationValue: {{val_shift_limit: {}}}", "76", "78", "val_shift_limit"),  # of 255
    ("ColorJitter: {{hue: {}}}", "0.11", "0.12", "hue"),  # of one turn
    ("ColorJitter: {{saturation: [{}, 1.1], hue: 0}}", "0.7", "0.69", "saturation"),
    ("HueSaturationValue: {{sat_shift_limit: {}}}", "76", "78", "sat_shift_limit"),  # of 255
    ("RGBShift: {{r_shift_limit: {}, g_shift_limit: 0, b_shift_limit: 0}}", "25", "26", "r_shift_limit"),
    ("RGBShift: {{r_shift_limit: 0, g_shift_limit: {}, b_shift_limit: 0}}", "0.1", "0.11", "g_shift_limit"),
    ("RGBShift: {{r_shift_limit: 0, g_shift_limit: 0, b_shift_limit: {}}}", "25", "26", "b_shift_limit"),
    ("RandomGamma: {{gamma_limit: [{}, 110]}}", "80", "79", "gamma_limit"),  # of a hundred
    ("Perspective: {{scale: [0.01, {}]}}", "0.1", "0.11", "scale"),
    ("GridDistortion: {{distort_limit: {}}}", "0.2", "0.21", "distort_limit"),
    ("OpticalDistortion: {{distort_limit: [{}, 0]}}", "-0.2", "-0.21", "distort_limit"),
    ("ThinPlateSpline: {{scale_range: [0.1, {}]}}", "0.2", "0.21", "scale_range"),
    ("ElasticTransform: {{alpha: {}}}", "30", "31", "alpha"),
    ("GridElasticDeform: {{num_grid_xy: [4, 4], magnitude: {}}}", "30", "31", "magnitude"),
    ("PlasmaBrightnessContrast: {{brightness_range: [{}, 0]}}", "-0.3", "-0.31", "brightness_range"),
    ("PlasmaBrightnessContrast: {{contrast_range: [0, {}]}}", "0.3", "0.31", "contrast_range"),
    ("PlasmaShadow: {{shadow_intensity_range: [0.1, {}]}}", "0.3", "0.31", "shadow_intensity_range"),
    ("RandomShadow: {{shadow_intensity_range: [0.1, {}]}}", "0.3", "0.31", "shadow_intensity_range"),
    ("MultiplicativeNoise: {{multiplier: [{}, 1.1]}}", "0.7", "0.69", "multiplier"),
    ("ISONoise: {{color_shift: [0.01, {}]}}", "0.11", "0.12", "color_shift"),  # of one turn
    ("AdditiveNoise: {{noise_type: uniform, noise_params: {{ranges: [[-0.05, {}]]}}}}", "0.1", "0.11", "noise_params"),
    ("RandomResizedCrop: {{size: [32, 32], scale: [{}, 1]}}", "0.25", "0.24", "scale"),  # half the side
    ("CropAndPad: {{percent: [{}, 0.0]}}", "-0.25", "-0.26", "percent"),
    ("CropAndPad: {{percent: [0.0, {}]}}", "0.5", "0.51", "percent"),
    *edges(),
]
# Bound as well, by tests of their own below: three at once, by albumentations itself, or whatever the number.
ELSEWHERE = {
    *(("ShiftScaleRotate", name) for name in ("rotate_limit", "shift_limit_x", "shift_limit_y", "scale_limit")),
    ("Illumination", "intensity_range"),
    ("PiecewiseAffine", "scale"),
    ("CropAndPad", "px"),
    ("RandomSizedCrop", "min_max_height"),
}


def test_every_strength_that_is_declared_is_tried_at_its_bound():
    declared = {(name, found.parameter) for name, one in declarations().items() for found in one.strengths}
    assert declared == {(step.split(":")[0], parameter) for step, _, _, parameter in EDGES} | ELSEWHERE


@pytest.mark.parametrize(("step", "within", "beyond", "parameter"), EDGES)
def test_a_bound_binds_at_its_value(text, step, within, beyond, parameter):
    assert faults(text(step.format(within))) == []
    (fault,) = faults(text(step.format(beyond)))
    assert fault.startswith(f"transforms[0].{step.split(':')[0]}.{parameter}: found ")
    assert "(policies/limits/tested.yaml: " in fault


@pytest.mark.filterwarnings("ignore::UserWarning")  # albumentations would rather see Affine
@pytest.mark.parametrize(
    ("params", "parameters"),
    [
        ("{rotate_limit: 30, shift_limit: 0.2, scale_limit: [-0.5, 1.0]}", set()),
        ("{rotate_limit: 31, shift_limit: 0.2}", {"rotate_limit"}),
        ("{rotate_limit: 9, scale_limit: [-0.6, 0]}", {"scale_limit"}),
        ("{rotate_limit: 9, scale_limit: ['0.1', '1.1']}", {"scale_limit"}),
        ("{rotate_limit: 9, shift_limit: 0.3}", {"shift_limit_x", "shift_limit_y"}),
        ("{rotate_limit: 9, shift_limit_y: 0.3}", {"shift_limit_y"}),
        ("{}", {"rotate_limit"}),  # ±45° by default
    ],
)
def test_shift_scale_rotate_is_bound_in_all_three(text, params, parameters):
    found = limit_faults(Policy.from_text(text(f"ShiftScaleRotate: {params}")), limits())
    assert {fault.where.rsplit(".", 1)[1] for fault in found} == parameters


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("Rotate: {}", "Rotate.limit: found [-90.0, 90.0]"),
        ("Rotate: {p: 0.1}", "Rotate.limit: found [-90.0, 90.0]"),
        ("SafeRotate:", "SafeRotate.limit: found [-90.0, 90.0]"),
        ("RandomRotate90:", "RandomRotate90.p: found 1.0"),
        ("D4: {}", "D4.p: found 1.0"),
        ("GaussNoise: {}", "GaussNoise.std_range: found [0.2, 0.44]"),
        ("ColorJitter: {}", "ColorJitter.hue: found [-0.5, 0.5]"),
    ],
)
def test_defaults_are_bound_too(text, step, shown):
    (fault,) = faults(text(step))
    assert shown in fault


def test_what_the_author_wrote_is_shown(text):
    assert "found [-12, 12]; expected within ±5" in faults(text("Affine: {rotate: [-12, 12]}"), max_rotation_deg=5)[0]


@pytest.mark.parametrize(
    ("steps", "reach"),
    [
        (["Rotate: {limit: 10}", "Affine: {rotate: 15}"], 25),
        (["Sequential: {transforms: [{Rotate: {limit: 10}}, {Rotate: {limit: 15}}]}"], 25),
        (["OneOf: {transforms: [{Rotate: {limit: 10}}, {Rotate: {limit: 15}}]}"], 15),
        (["SomeOf: {n: 1, transforms: [{Rotate: {limit: 10}}, {Rotate: {limit: 15}}]}"], 15),
        (["SomeOf: {n: 2, transforms: [{Rotate: {limit: 10}}, {Rotate: {limit: 15}}, {Rotate: {limit: 3}}]}"], 25),
        (["SomeOf: {n: 4, replace: true, transforms: [{Rotate: {limit: 10}}, {Rotate: {limit: 3}}]}"], 40),
        (["SomeOf: {transforms: [{Rotate: {limit: 10}}, {Blur: {}}]}", "Rotate: {limit: 5}"], 15),
        (
            [
                "OneOf: {transforms: [{Sequential: {transforms: [{Rotate: {limit: 7}}, {Rotate: {limit: 7}}]}}, "
                "{Rotate: {limit: 9}}]}",
                "SafeRotate: {limit: 1}",
            ],
            15,
        ),
    ],
)
def test_a_chain_counts_what_can_meet_in_one_draw(text, steps, reach):
    assert faults(text(*steps), max_rotation_deg=reach) == []
    (fault,) = faults(text(*steps), max_rotation_deg=reach - 0.5)
    if reach > 15 or len(steps) > 1:  # otherwise one transform alone is too much, and is named instead
        assert f"a chain that can reach {reach:g} in all" in fault


def test_a_transform_inside_containers_is_named_by_its_path(text):
    (fault,) = faults(
        text("Blur: {}", "OneOf: {transforms: [{Blur: {}}, {Sequential: {transforms: [{Rotate: {limit: 80}}]}}]}"),
        max_rotation_deg=45,
    )
    assert fault.startswith("transforms[1].OneOf.transforms[1].Sequential.transforms[0].Rotate.limit: found 80")


def test_chained_scales_multiply_and_noises_join_in_quadrature(text):
    twice = text("Affine: {scale: [0.8, 1.2]}", "Affine: {scale: [0.8, 1.2]}")
    assert faults(twice, scale_range=(0.64, 1.44)) == []
    assert (
        "a chain that can reach 0.64 in all; expected within [0.65, 1.5]" in faults(twice, scale_range=(0.65, 1.5))[0]
    )
    assert "a chain that can reach 1.44 in all" in faults(twice, scale_range=(0.5, 1.43))[0]
    noises = text("GaussNoise: {std_range: [0.01, 0.3]}", "GaussNoise: {std_range: [0.01, 0.4]}")
    assert faults(noises, max_noise_std=0.5) == []
    assert "a chain that can reach 0.5 in all" in faults(noises, max_noise_std=0.49)[0]


def test_x_and_y_of_one_transform_do_not_add_up(text):
    assert faults(text("Affine: {translate_percent: {x: [-0.2, 0.2], y: [-0.2, 0.2]}}")) == []


def test_sums_of_decimal_fractions_do_not_exceed_by_rounding(text):
    chain = text(*["RandomBrightnessContrast: {brightness_limit: 0.1, contrast_limit: 0}"] * 3)
    assert 0.1 + 0.1 + 0.1 > 0.3
    assert faults(chain, max_brightness_change=0.3) == []


def test_a_number_that_is_none_never_passes(text):
    """Quoted, it gets past YAML; beside NaN every comparison is false."""
    (fault,) = faults(text("Affine: {rotate: ['nan', 'nan']}"), max_rotation_deg=30)
    assert "Affine.rotate" in fault


def test_an_absent_bound_does_not_bind(text):
    wild = text(
        "Rotate: {}", "Affine: {scale: [0.1, 9], shear: 40, translate_px: 9}", "GaussNoise: {std_range: [0, 1]}"
    )
    assert faults(wild, domain="tested") == []


def test_a_scale_too_wide_at_both_ends_is_one_fault(text):
    assert len(faults(text("Affine: {scale: [0.1, 9]}"), scale_range=(0.5, 2))) == 1


def test_forbidden_transforms_are_found_in_containers_with_the_reason(text):
    policy = Policy.from_text(text("OneOf: {transforms: [{Blur: {}}, {HorizontalFlip: {p: 0}}]}", "VerticalFlip: {}"))
    forbidding = limits(forbidden={"HorizontalFlip": "mirrored", "VerticalFlip": "upside down"})
    with pytest.raises(PolicyError, match=r"example\.yaml: 2 faults") as caught:
        check_limits(policy, forbidding, "policies/augment/example.yaml")
    assert "transforms[0].OneOf.transforms[1].HorizontalFlip" in str(caught.value)
    assert "no VerticalFlip in this domain (policies/limits/tested.yaml: upside down)" in str(caught.value)


def test_files_of_limits(policies: Path):
    def write(name: str, content: str) -> None:
        (policies / "limits" / f"{name}.yaml").write_text(content)

    write("roads", "domain: roads\ndescription: d\nforbidden: {VerticalFlip: the sky is up}\n")
    assert load_limits(policies, "roads").forbidden == {"VerticalFlip": "the sky is up"}
    with pytest.raises(PolicyError, match=r"a domain with limits: roads(.|\n)*Did you mean roads\?"):
        load_limits(policies, "road")
    write("other", "domain: roads\ndescription: d\nforbidden: {VerticalFlp: x, Lambda: y, OneOf: z}\n")
    with pytest.raises(PolicyError, match="4 faults") as caught:
        load_limits(policies, "other")
    assert "domain: found roads; expected other" in str(caught.value)
    assert "Did you mean VerticalFlip?" in str(caught.value)
    write("typo", "domain: typo\ndescription: d\nmax_rotation: 5\nmax_shear_deg: -1\nscale_range: [1]\n")
    with pytest.raises(PolicyError, match="3 faults") as caught:
        load_limits(policies, "typo")
    assert "Did you mean max_rotation_deg?" in str(caught.value)
    write("endless", "domain: endless\ndescription: d\nmax_rotation_deg: .inf\n")
    with pytest.raises(PolicyError, match="not a finite number"):
        load_limits(policies, "endless")


def test_the_digest_of_limits_follows_their_content():
    assert limits().digest == limits(**ALL).digest
    assert limits().digest != limits(**{**ALL, "max_shear_deg": 11}).digest


@pytest.mark.parametrize(
    ("domain", "step", "reason"),
    [
        ("medical", "ColorJitter: {hue: 0.01, brightness: 0, contrast: 0, saturation: 0}", "max_hue_shift_deg"),
        ("medical", "HueSaturationValue: {hue_shift_limit: 1, sat_shift_limit: 0, val_shift_limit: 0}", "max_hue"),
        ("medical", "ColorJitter: {hue: 0, saturation: 0.5, brightness: 0, contrast: 0}", "max_saturation_change"),
        ("medical", "ElasticTransform: {alpha: 200}", "max_elastic_px"),
        ("medical", "ChannelShuffle: {}", "no ChannelShuffle"),
        ("medical", "RandAugment: {}", "no Solarize"),
        ("driving", "VerticalFlip: {}", "no VerticalFlip"),
        ("driving", "Sequential: {transforms: [{OneOf: {transforms: [{D4: {}}, {Blur: {}}]}}]}", "no D4"),
        ("driving", "ColorJitter: {}", "max_hue_shift_deg"),
        ("driving", "TrivialAugment: {}", "max_rotation_deg"),
    ],
)
def test_what_the_domains_refuse(text, domain, step, reason):
    found = limit_faults(Policy.from_text(text(step)), load_limits(POLICIES, domain))
    assert any(reason in str(fault) for fault in found), found


@pytest.mark.parametrize(
    ("domain", "step"),
    [
        ("medical", "ElasticTransform: {alpha: 20, sigma: 8}"),
        ("medical", "RandomBrightnessContrast: {brightness_limit: 0.1, contrast_limit: 0.1}"),
        ("medical", "HorizontalFlip: {}"),
        ("driving", "RandomRain: {}"),
        ("driving", "RandomFog: {}"),
        ("driving", "RandomSnow: {}"),
        ("driving", "HorizontalFlip: {}"),
    ],
)
def test_what_the_domains_allow(text, domain, step):
    assert limit_faults(Policy.from_text(text(step)), load_limits(POLICIES, domain)) == []


@pytest.mark.filterwarnings("ignore::UserWarning")  # albumentations finds PiecewiseAffine slow
def test_what_albumentations_itself_bounds_is_bound_below_that(text):
    assert faults(text("Illumination: {intensity_range: [0.01, 0.2]}"), max_brightness_change=0.2) == []
    assert faults(text("Illumination: {intensity_range: [0.01, 0.2]}"), max_brightness_change=0.1)
    assert faults(text("PiecewiseAffine: {scale: [0.01, 0.04]}"), max_distortion_share=0.03)


@pytest.mark.parametrize("step", ["CropAndPad: {px: 1}", "RandomSizedCrop: {size: [32, 32], min_max_height: [16, 32]}"])
def test_what_depends_on_the_size_of_the_image_is_unbounded(text, step):
    assert faults(text(step))


def _measured_hue_shift(policy: Policy, level: tuple[int, int, int]) -> float:
    """Degrees by which the average colour of a plain image turns, at worst of a few draws; grey counts as none."""
    image = np.empty((1, 48, 48, 3), np.uint8)
    image[:] = level
    augment, worst = Augmenter(policy, seed=1), 0.0
    before = colorsys.rgb_to_hsv(*(channel / 255 for channel in level))[0]
    for epoch in range(6):
        colour = augment(image, [0], epoch)[0].reshape(-1, 3).mean(axis=0) / 255
        hue, saturation, _ = colorsys.rgb_to_hsv(*colour)
        if saturation > 0.08:
            worst = max(worst, abs((hue - before + 0.5) % 1 - 0.5) * 360)
    return worst


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("domain", ["medical", "driving"])
def test_nothing_that_these_domains_admit_changes_a_hue(text, domain):
    """Measured on pixels, so a transform that no bound knows is found out."""
    loaded, shifts = load_limits(POLICIES, domain), {}
    for name in catalogue.names():
        try:
            policy = Policy.from_text(text(f"{name}: {{p: 1.0}}"))
        except PolicyError:
            continue  # it has parameters without a default
        if limit_faults(policy, loaded) or policy.normalises or name == "Crop":
            continue  # the last gives no image of the size
        shifts[name] = max(
            _measured_hue_shift(policy, level) for level in ((200, 80, 60), (60, 90, 190), (70, 170, 60))
        )
    assert len(shifts) > 25
    # A hue comes back from eight bits, and from noise on each pixel, with a few degrees of error.
    assert {name: shift for name, shift in shifts.items() if shift > 6} == {}


@pytest.mark.parametrize("modality", ["tabular", "text", "interactions"])
def test_a_domain_of_another_modality_admits_no_policy_of_images(text, modality):
    (fault,) = limit_faults(Policy.from_text(text("Blur: {}")), load_limits(POLICIES, modality))
    assert f"image in the domain {modality}" in str(fault)


def test_a_bound_on_images_in_a_domain_of_texts_is_a_fault(policies: Path):
    (policies / "limits" / "chat.yaml").write_text("domain: chat\nmodality: text\ndescription: d\nmax_shear_deg: 3\n")
    with pytest.raises(PolicyError, match="max_shear_deg: found a bound on images"):
        load_limits(policies, "chat")
