"""Ask a model as a stranger would: its file alone, in a new interpreter, with nothing of this project's imported."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import StoreError
from augment_ops.tracking.program import check_harmless

_SCRIPT = Path(__file__).with_name("stranger.py")
_TIMEOUT_S = 300  # importing torch takes seconds, a minute on a machine that swaps; answering takes milliseconds


def ask_in_fresh_process(program: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits float32 (N, K) of a `.pt2` for images uint8 (N, H, W, C).

    The interpreter is isolated (`-I`): no current folder, no PYTHONPATH, no user's packages. It says which modules it
    has loaded, and any of this project's is refused.

    Raises:
        StoreError: the file could run code when it is loaded, or cannot be loaded and asked by torch alone.
    """
    check_harmless(program)
    with tempfile.TemporaryDirectory(prefix="augment-ops-ask-") as folder:
        question, answer = Path(folder) / "images.npy", Path(folder) / "logits.npy"
        np.save(question, images)
        command = [sys.executable, "-I", str(_SCRIPT), str(program), str(question), str(answer)]
        environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, cwd=folder, env=environment, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _no_answer(program, str(error)) from error
        if done.returncode != 0 or not answer.is_file():
            raise _no_answer(program, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        logits: NDArray[np.float32] = np.load(answer, allow_pickle=False)
        return logits


def _no_answer(program: Path, found: str) -> StoreError:
    return StoreError(
        str(program), found[:200], "a program that torch alone can load and ask", "export the network again"
    )
