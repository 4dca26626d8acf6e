"""Steps of policies that the image engine compiles, in all their ways, and one that it does not."""

from __future__ import annotations

STEPS = [
    "Affine: {rotate: [-30, 30], scale: [0.7, 1.3], shear: [-10, 10], translate_percent: [-0.2, 0.2], p: 0.8}",
    *(f"Affine: {{rotate: [-30, 30], scale: [0.5, 0.7], border_mode: {b}, fill: 77, p: 0.8}}" for b in range(5)),
    "Affine: {rotate: [-30, 30], interpolation: 0, p: 0.8}",
    "OneOf: {transforms: [{Perspective: {p: 0.5}}, {Rotate: {p: 0.5}}]}",
    "VerticalFlip: {p: 0.8}",
    "RandomResizedCrop: {size: [9, 7], p: 1}",
    "PadIfNeeded: {min_height: 20, min_width: 19, p: 1}",
    "RandomBrightnessContrast: {p: 0.8}",
    "RandomBrightnessContrast: {brightness_by_max: false, p: 0.8}",
    "RandomGamma: {p: 0.8}",
    "ColorJitter: {hue: [-0.5, 0.5], p: 0.8}",
    "HueSaturationValue: {p: 0.8}",
    "RGBShift: {p: 0.8}",
    *(f"ToGray: {{method: {m}, p: 0.8}}" for m in ("weighted_average", "average", "max", "desaturation")),
    "ChannelShuffle: {p: 0.8}",
    "InvertImg: {p: 0.8}",
    "Solarize: {p: 0.8}",
    "Posterize: {num_bits: [1, 7], p: 0.8}",
    "Equalize: {p: 0.8}",
    "Equalize: {mode: pil, p: 0.8}",
    "AutoContrast: {cutoff: 3, p: 0.8}",
    "AutoContrast: {method: pil, p: 0.8}",
    "GaussNoise: {p: 0.8}",
    "GaussNoise: {per_channel: false, mean_range: [-0.1, 0.1], p: 0.8}",
    "MultiplicativeNoise: {p: 0.8}",
    "MultiplicativeNoise: {elementwise: true, p: 0.8}",
    "MultiplicativeNoise: {elementwise: true, per_channel: true, p: 0.8}",
    "SaltAndPepper: {p: 0.8}",
    "CoarseDropout: {num_holes_range: [1, 4], fill: 7, p: 0.8}",
    "GridDropout: {p: 0.8}",
    "GaussianBlur: {p: 0.8}",
    "GaussianBlur: {sigma_limit: [3, 5], p: 0.8}",
    "MotionBlur: {p: 0.8}",
    "Sharpen: {p: 0.8}",
    "Sharpness: {p: 0.8}",
    "AugMix: {}",
    "GridDistortion: {p: 0.8}",
]
COLOURS = [
    "ChannelDropout: {p: 0.8}",
    "ISONoise: {p: 0.8}",
    "RandAugment: {}",
    "TrivialAugment: {}",
    "AutoAugment: {policy: imagenet}",
    "Normalize: {}",
]
# Between a whole level and one in between lies less than one; what stretches levels or bends colours makes it more.
FAR = {"ColorJitter": 12, "Sharpen": 12, "AugMix": 3, "RandAugment": 40, "TrivialAugment": 40, "AutoAugment": 40}
