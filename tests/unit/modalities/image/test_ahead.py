from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.kernels import ahead

EVERYTHING = (
    "Rotate: {p: 1}",
    "Affine: {p: 1}",
    "Perspective: {p: 1}",
    "HueSaturationValue: {p: 1}",
    "GaussNoise: {p: 1}",
    "GaussianBlur: {p: 1}",
    "Sharpen: {p: 1}",
    "CoarseDropout: {p: 1}",
)


@pytest.mark.parametrize("cores", range(1, 9))
def test_every_part_is_compiled_by_one_process(cores: int):
    shares = ahead.shared_out(cores)
    assert len(shares) <= cores
    assert sorted(part for share in shares for part in share) == sorted(ahead.PARTS)
    assert all(shares)


def test_what_is_compiled_ahead_is_what_the_engine_calls(policy, images):
    """For arguments of other types a loop would be compiled a second time, in the middle of a first batch."""
    Augmenter(policy(*EVERYTHING), 7)(images, range(len(images)))
    for part, loops in ahead.PARTS.items():
        for loop, arguments in loops:
            assert tuple(arguments) in loop.signatures, (part, loop.__name__)


def test_images_that_cannot_be_written_to(policy, images):
    frozen = images.copy()
    frozen.flags.writeable = False
    augment = Augmenter(policy(*EVERYTHING), 7)
    np.testing.assert_array_equal(augment(frozen, range(len(images))), augment(images, range(len(images))))


def test_without_processes_the_engine_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    no_python = tmp_path / "python"
    no_python.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    no_python.chmod(0o755)
    monkeypatch.setattr(ahead, "CACHE", tmp_path)
    monkeypatch.setattr(ahead, "usable_cores", lambda: 2)
    monkeypatch.setattr(sys, "executable", str(no_python))
    with caplog.at_level(logging.WARNING):
        ahead.compile_ahead.__wrapped__()
    assert "ended with 3: no such module" in caplog.text
    assert not list(tmp_path.glob("whole-*"))  # the next one tries again


@pytest.mark.slow
def test_several_who_come_first_compile_once(policy, tmp_path: Path):
    (tmp_path / "augmenter").write_bytes(pickle.dumps(Augmenter(policy(*EVERYTHING), 7)))
    code = (
        "import pickle, numpy as np\nfrom pathlib import Path\nfrom augment_ops.modalities.image.kernels import ahead\n"
        "ahead.usable_cores = lambda: 2\nstarted = []\nin_processes = ahead._in_processes\n"
        "ahead._in_processes = lambda shares: started.append(shares) or in_processes(shares)\n"
        f"augment = pickle.loads(Path({str(tmp_path / 'augmenter')!r}).read_bytes())\n"
        "augment(np.zeros((2, 12, 12, 3), np.uint8), range(2))\n"
        "loops = [loop for part in ahead.PARTS.values() for loop, _ in part]\n"
        "print(len(started), sum(sum(loop.stats.cache_misses.values()) for loop in loops))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    several = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(process.communicate()[0].split() for process in several)
    assert said == [["0", "0"], ["0", "0"], ["1", "0"]]  # one had it compiled, and none compiled anything itself
