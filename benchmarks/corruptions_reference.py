"""imagecorruptions 1.1.2 as a worker, in an environment of its own; benchmarks/corruptions.py starts it and says how.

Reads a JSON line a request, {"images": path of a .npy, "name": …, "severity": …, "out": path or null}, and answers with
the processor seconds that it took for all images, one after the other.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import cv2
import numpy as np

warnings.simplefilter("ignore")
import imagecorruptions.corruptions as reference  # noqa: E402
from imagecorruptions import corrupt  # noqa: E402

smooth = reference.gaussian


def gaussian(image, *arguments, multichannel=False, **options):
    # scikit-image renamed this argument; the meaning is the same.
    return smooth(image, *arguments, channel_axis=-1 if multichannel else None, **options)


reference.gaussian = gaussian
cv2.setNumThreads(1)
np.random.seed(0)  # it draws from the global state
corrupt(np.zeros((64, 64, 3), np.uint8), corruption_name="gaussian_noise")
for line in sys.stdin:
    request = json.loads(line)
    images = np.load(request["images"])
    started = time.process_time()
    out = [corrupt(image, request["severity"], request["name"]) for image in images]
    seconds = time.process_time() - started
    if request["out"]:
        np.save(request["out"], np.stack(out))
    print(json.dumps(seconds), flush=True)
