"""Light and colour."""

from __future__ import annotations

from typing import Any

import albumentations as A  # noqa: N812
import numpy as np

from augment_ops.modalities.image.transforms.geometry import between, integers
from support.truths import Compared, Drawn, arguments


def _jitter(node: Any, u: np.ndarray, image: np.ndarray) -> np.ndarray:
    values = arguments(node, u)
    return A.ColorJitter().apply(image, *map(float, values[:4]), [int(v) for v in values[4:]])


COMPARED = {
    "RandomBrightnessContrast: {brightness_limit: 0.5, contrast_limit: 0.5, p: 1}": Compared(
        theirs=lambda n, u, x: A.RandomBrightnessContrast().apply(
            x,
            alpha=1 + between(u[0], n.values["contrast_limit"]),
            beta=255 * between(u[1], n.values["brightness_limit"]),
        )
    ),
    "RandomBrightnessContrast: {brightness_by_max: false, p: 1}": Compared(
        theirs=lambda n, u, x: A.RandomBrightnessContrast().apply(
            x,
            alpha=1 + between(u[0], n.values["contrast_limit"]),
            beta=float(np.mean(x)) * between(u[1], n.values["brightness_limit"]),
        )
    ),
    "RandomGamma: {p: 1}": Compared(
        theirs=lambda n, u, x: A.RandomGamma().apply(x, gamma=float(arguments(n, u)[0])), largest=1
    ),
    "ColorJitter: {p: 1}": Compared(
        theirs=_jitter, largest=3, mean=0.3
    ),  # hue last or not: a level can cross a rounding twice
    "ColorJitter: {hue: 0, p: 1}": Compared(theirs=_jitter, largest=1, mean=0.3),
    "ColorJitter: {brightness: 0, contrast: 0, saturation: 0, hue: [0.2, 0.3], p: 1}": Compared(
        theirs=_jitter, largest=1, mean=0.3
    ),
    "HueSaturationValue: {p: 1}": Compared(
        theirs=lambda n, u, x: A.HueSaturationValue().apply(x, *map(float, arguments(n, u))), largest=1, mean=0.3
    ),
    "RGBShift: {p: 1}": Compared(
        theirs=lambda n, u, x: A.RGBShift().apply(
            x, noise_map=np.array([between(u[i], n.values[f"{c}_shift_limit"]) for i, c in enumerate("rgb")])
        )
    ),
    **{
        f"ToGray: {{method: {m}, p: 1}}": Compared(theirs=lambda n, u, x, m=m: A.ToGray(method=m).apply(x))
        for m in ("weighted_average", "average", "max", "desaturation")
    },
    "ChannelShuffle: {p: 1}": Compared(
        theirs=lambda n, u, x: A.ChannelShuffle().apply(x, channels_shuffled=arguments(n, u).astype(int).tolist())
    ),
    "ChannelDropout: {p: 1}": Compared(
        theirs=lambda n, u, x: A.ChannelDropout().apply(
            x, channels_to_drop=np.flatnonzero(arguments(n, u)[:3] == 0).tolist()
        )
    ),
    "InvertImg: {p: 1}": Compared(theirs=lambda n, u, x: A.InvertImg().apply(x)),
    "Solarize: {threshold_range: [0.2, 0.8], p: 1}": Compared(
        theirs=lambda n, u, x: A.Solarize().apply(x, threshold=between(u[0], n.values["threshold_range"]))
    ),
    "Posterize: {num_bits: [2, 5], p: 1}": Compared(
        theirs=lambda n, u, x: A.Posterize().apply(x, num_bits=int(integers(u[0], 2, 5)))
    ),
    "Equalize: {p: 1}": Compared(theirs=lambda n, u, x: A.Equalize().apply(x, mask=None)),
    "Equalize: {mode: pil, p: 1}": Compared(theirs=lambda n, u, x: A.Equalize(mode="pil").apply(x, mask=None)),
    "AutoContrast: {p: 1}": Compared(theirs=lambda n, u, x: A.AutoContrast().apply(x)),
    "AutoContrast: {cutoff: 5, p: 1}": Compared(theirs=lambda n, u, x: A.AutoContrast(cutoff=5).apply(x)),
    "AutoContrast: {method: pil, p: 1}": Compared(theirs=lambda n, u, x: A.AutoContrast(method="pil").apply(x)),
}
DRAWN = {
    "RGBShift: {r_shift_limit: [-30, 10]}": Drawn(
        lambda o, u: o.arguments(u, 3)[:, 3:],
        lambda p: np.trunc(p["noise_map"]).tolist(),
    ),
    "Posterize: {num_bits: [[1, 3], [2, 4], [5, 7]]}": Drawn(lambda o, u: o.arguments(u, 3), lambda p: p["num_bits"]),
    "RandomBrightnessContrast: {brightness_limit: [-0.1, 0.4], contrast_limit: 0.3}": Drawn(
        lambda o, u: o.arguments(u, 1),
        lambda p: [p["alpha"], p["beta"]],
    ),
    "RandomGamma: {gamma_limit: [50, 150]}": Drawn(
        lambda o, u: o.arguments(u, 1).reshape(-1, 1), lambda p: [p["gamma"]]
    ),
    "ColorJitter: {}": Drawn(
        lambda o, u: o.arguments(u, 3),
        lambda p: [p["brightness"], p["contrast"], p["saturation"], p["hue"], *p["order"]],
    ),
    "HueSaturationValue: {}": Drawn(
        lambda o, u: o.arguments(u, 3),
        lambda p: [p["hue_shift"], p["sat_shift"], p["val_shift"]],
    ),
    "Solarize: {threshold_range: [0.2, 0.9]}": Drawn(
        lambda o, u: o.arguments(u, 1).reshape(-1, 1) / 255,
        lambda p: [p["threshold"]],
    ),
    "Posterize: {num_bits: [2, 6]}": Drawn(lambda o, u: o.arguments(u, 1), lambda p: [p["num_bits"]]),
    "ChannelDropout: {channel_drop_range: [1, 2]}": Drawn(
        lambda o, u: (o.arguments(u, 3)[:, :3] == 0).astype(float),
        lambda p: [float(c in p["channels_to_drop"]) for c in range(3)],
    ),
    "ChannelShuffle: {}": Drawn(lambda o, u: o.arguments(u, 3), lambda p: list(map(float, p["channels_shuffled"]))),
}
