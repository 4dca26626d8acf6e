"""Compiling the loops of the engine before the first of them is called: in several processes, once for a machine.

Half of the time is numba's own Python, so threads would wait for each other. Whoever comes first has a process on each
core, up to three, compile a share into the cache; who comes meanwhile waits, and then, like all later ones, reads it.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
from numba import types

from augment_ops.engine.kernels import applies, philox
from augment_ops.errors import StoreError
from augment_ops.locks import held
from augment_ops.machine import usable_cores
from augment_ops.modalities.image.kernels import CACHE, convolution, fused, matrices

_U1, _U8, _I8, _F4, _F8 = types.uint8, types.uint64, types.int64, types.float32, types.float64
_KEYS, _IMAGES, _MATRICES = _U8[:, ::1], _U1[:, :, :, ::1], _F8[:, :, ::1]

# What is compiled by one process after another, for arguments of what types.
PARTS: Mapping[str, Sequence[tuple[Any, Sequence[Any]]]] = {
    **{loop.loop.__name__: [(loop.loop, loop.arguments)] for loop in fused.APART.values()},
    "segment": [
        (
            fused.run_segment,
            (
                _U8[::1],
                _IMAGES,
                _IMAGES,
                types.boolean,
                _U1[::1],
                _MATRICES,
                _I8,
                types.boolean,
                _U1[::1],
                _I8[::1],
                _U1[:, ::1],
                _F4[:, :, ::1],
                _U1[::1],
                _F8[:, ::1],
                _I8,
                types.boolean,
                _I8,
                _KEYS,
                types.int16[::1],
                types.int32[:, :, ::1],
                _U1[::1],
            ),
        )
    ],
    "convolution": [
        (convolution.convolve_separable, (_IMAGES, _U1[::1], _F4[:, ::1])),
        (convolution.convolve_square, (_IMAGES, _U1[::1], _F4[:, :, ::1])),
    ],
    "numbers": [
        (matrices.affine, (_F8[:, ::1], _F8[:, ::1], *[types.boolean] * 3, _I8, _I8)),
        (matrices.rotations, (_F8[:, ::1], _F8[::1], _I8, _I8)),
        (matrices.follow, (_MATRICES, _I8[::1], _MATRICES)),
        (matrices.invert, (_MATRICES,)),
        (matrices.identities, (_I8,)),
        (philox.fill_uniforms, (_KEYS, _I8, _I8, _F8[:, ::1])),
        (philox.fill_words, (_KEYS, _I8, _I8, _KEYS)),
        (philox.fill_derived, (_U8, _U8, _KEYS, _KEYS)),
        (applies.fill_applies, (_KEYS, *[_I8[::1]] * 7, _F8[::1], _F8[::1], _U1[:, ::1])),
    ],
}
# About, in proportion.
_SECONDS = {
    "look": 6, "warp": 4, "numbers": 4, "add_noise": 3, "colour": 3, "convolution": 2.5, "segment": 2,
    "shift_hsv": 2, "shift": 2,
}  # fmt: skip
_PROCESSES = 3  # at most: more would wait for the largest part
_LOCK_S = 300.0  # compiling takes 20 s on an idle machine; who waits longer compiles for himself

_log = logging.getLogger(__name__)


@cache
def compile_ahead() -> None:
    """Fill the cache of the loops if it is empty; where that fails, loops are compiled when they are first called."""
    cores, done = usable_cores(), CACHE / f"whole-{_machine()}"
    if cores == 1 or done.exists():
        return
    try:
        with held(CACHE / "ahead.lock", "compile the engine's loops", _LOCK_S):
            if not done.exists():
                _in_processes(shared_out(cores))
                done.touch()
    except (OSError, StoreError) as error:
        _log.warning(
            "the engine's loops are compiled one by one, which takes twice as long: %s; see that %s can be written to, "
            "or set NUMBA_CACHE_DIR to a folder that can",
            error,
            CACHE,
        )


def shared_out(cores: int) -> list[list[str]]:
    """The parts, by process."""
    shares: list[list[str]] = [[] for _ in range(min(cores, _PROCESSES))]
    for part in sorted(PARTS, key=lambda part: -_SECONDS[part]):
        min(shares, key=lambda share: sum(_SECONDS[other] for other in share)).append(part)
    return shares


def _machine() -> str:
    """What numba, too, compiles for and distinguishes in its cache."""
    names = (
        platform.python_version(),
        numba.__version__,
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def _in_processes(shares: Sequence[Sequence[str]]) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": numba.config.CACHE_DIR}
    with ExitStack() as ended:  # each is waited for, whatever happens
        started = [
            ended.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "augment_ops.modalities.image.kernels.ahead", *share],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for share in shares
        ]
        said = [process.communicate()[1] for process in started]
    for process, words in zip(started, said, strict=True):
        if process.returncode:
            raise OSError(f"a process that compiles them ended with {process.returncode}: {words[-500:]}")


if __name__ == "__main__":
    gc.disable()  # a tenth of the time, and the process ends soon
    for name in sys.argv[1:]:
        for loop, arguments in PARTS[name]:
            loop.compile(tuple(arguments))
