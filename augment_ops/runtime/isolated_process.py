"""Run by `isolated.py` in an interpreter of its own, which imports a format's libraries and nothing of this project.

It waits with them imported (`isolated_pt2.py`, `isolated_skops.py`) and has read nothing yet. For each model that it is
handed it splits off a process, which confines itself (`confinement.py`), reads the model, and then computes the
predictions of one batch after the other.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

AXES = 6
QUESTION = struct.Struct(f"<?4sB{AXES}q")  # with embeddings or not; dtype, dimensions and sizes of the shared samples
RESULT = struct.Struct("<?3q")  # well or not; then rows, K and D of what follows, or the bytes of a message


def main(control: int, format: str) -> None:
    """Split off a process for each model that comes through the socket, until it closes."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    confine, library = _beside("confinement").confine, _beside(f"isolated_{format}")
    library.warm_up()
    with socket.socket(fileno=control) as incoming:
        while True:
            data, descriptors, _, _ = socket.recv_fds(incoming, 1, 3)
            if not data or len(descriptors) != 3:
                break
            if os.fork() == 0:
                incoming.close()
                _answer(confine, library.load, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
    os._exit(0)


def _answer(
    confine: Callable[[], list[str]],
    load: Callable[[bytes], Callable[[Any, bool], list[Any]]],
    channel: int,
    content: int,
    samples: int,
) -> None:
    """Load the model and answer until the channel closes; never returns."""
    try:
        layers = confine()
        ours = sorted({name.partition(".")[0] for name in sys.modules} & {"augment_ops", "mlflow"})
        if ours:
            raise RuntimeError(f"{', '.join(ours)} was imported: these are not the model's predictions alone")
        with mmap.mmap(content, 0, prot=mmap.PROT_READ) as memory:  # others read the same file, and its place is shared
            predict = load(memory[:])
        _send(channel, True, json.dumps(layers).encode())
    except BaseException as error:
        _send(channel, False, f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(1)
    while asked := _receive(channel, QUESTION.size):
        try:
            embedded, kind, axes, *sizes = QUESTION.unpack(asked)
            batch = _shared(samples, kind.rstrip(b"\0").decode(), sizes[:axes])
            results = predict(batch, embedded)
            if any(array.ndim != 2 or len(array) != len(batch) for array in results):
                raise ValueError(f"scores of shape {results[0].shape} for {len(batch)} samples")
        except BaseException as error:
            _send(channel, False, f"{type(error).__name__}: {error}".encode()[:2000])
            continue
        widths = [array.shape[1] for array in results] + [0]
        told = RESULT.pack(True, len(batch), widths[0], widths[1])
        # At once, so that who waits is woken once.
        _write(channel, b"".join([told, *(array.tobytes() for array in results)]))
    os._exit(0)


def _shared(samples: int, kind: str, shape: list[int]) -> Any:
    """The samples in the shared memory."""
    dtype, count = np.dtype(kind), int(np.prod(shape))
    with mmap.mmap(samples, count * dtype.itemsize, prot=mmap.PROT_READ) as memory:
        # A copy: torch warns about memory that cannot be written, and the next batch comes into the same.
        return np.frombuffer(memory, dtype, count).reshape(shape).copy()


def _beside(name: str) -> Any:
    """A module of this folder, by its place: a package of this project is not to be imported here."""
    place = Path(__file__).with_name(f"{name}.py")
    found = importlib.util.spec_from_file_location(name, place)
    if found is None or found.loader is None:
        raise ImportError(str(place))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _send(channel: int, well: bool, message: bytes) -> None:
    _write(channel, RESULT.pack(well, len(message), 0, 0) + message)


def _write(channel: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(channel, rest) :]


def _receive(channel: int, size: int) -> bytes:
    """So many bytes; fewer where the other side closed."""
    data = b""
    while len(data) < size and (more := os.read(channel, size - len(data))):
        data += more
    return data


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
