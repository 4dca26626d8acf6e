"""Loops, and products of matrices, differ by what a processor can do and its threads; bytes do not."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.corruptions import apply
from augment_ops.policy.spec import Policy
from support.compiled import COLOURS, STEPS
from support.policies import policy_text

STEP_NAMES = [
    *(step for step in (*STEPS, *COLOURS) if not step.startswith(("GridDistortion", "Normalize"))),  # not by loops
    "HorizontalFlip: {}",
    "ColorJitter: {brightness: [1, 1], contrast: [0.2, 2], saturation: [0, 3], hue: [0, 0], p: 1}",
]
SHAPES = ((70, 70, 3), (37, 41, 3), (28, 28, 1), (5, 3, 3))  # above and below what one instruction takes
STRESSED = (  # that have sums of floats: by tables, wide fields, a camera, stains
    *(("contrast", 3, shape) for shape in SHAPES),
    ("elastic_transform", 2, (224, 224, 3)),
    ("tilt", 5, (97, 61, 3)),
    *(("stain_shift", severity, (224, 224, 3)) for severity in (3, 4)),
)
OLDER = "x86-64-v3" if platform.machine() == "x86_64" else "generic"  # no vectors of 512 bits


def digests() -> dict[str, str]:
    found = {}
    for step in STEP_NAMES:
        augment = Augmenter(Policy.from_text(policy_text(step)), 7)
        for shape in SHAPES:
            coarse = np.random.default_rng(3).integers(0, 256, (4, *shape), np.uint8)
            images = np.minimum(coarse, np.roll(coarse, 1, axis=1))
            try:
                result = augment(images, SampleIds.of(range(4)), 1)
            except TransformError:
                continue  # not for this size, or these channels
            found[f"{step} {shape}"] = hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()
    for name, severity, shape in STRESSED:
        images = np.random.default_rng(3).integers(0, 256, (4, *shape), np.uint8)
        stressed = apply(name, severity, images, ["a", "b", "c", "d"])
        found[f"{name} {severity} {shape}"] = hashlib.sha256(stressed.tobytes()).hexdigest()
    return found


@pytest.mark.slow
def test_an_older_processor_gives_the_same_bytes(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": OLDER,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "OPENBLAS_CORETYPE": "Sandybridge",  # of NumPy's and OpenCV's products; without fused multiplication
        "OMP_NUM_THREADS": "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    older = subprocess.run(
        [sys.executable, "-m", "integration.test_processors"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert older.returncode == 0, older.stderr[-2000:]
    found = digests()
    assert len(found) > 3 * len(STEP_NAMES)
    assert json.loads(older.stdout) == found


if __name__ == "__main__":
    print(json.dumps(digests()))
