"""Run by `isolated.py` in an interpreter of its own, which imports torch and NumPy and nothing of this project.

It waits with torch imported and has read nothing yet. For each program that it is handed it splits off a process, which
confines itself (`confinement.py`), reads the program, and then computes the predictions of one batch after the other.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
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
import torch

QUESTION = struct.Struct("<?4q")  # with embeddings or not; images N, H, W, C in the shared memory
RESULT = struct.Struct("<?3q")  # well or not; then rows, K and D of what follows, or the bytes of a message


def main(control: int) -> None:
    """Split off a process for each program that comes through the socket, until it closes."""
    torch.set_num_threads(1)  # of the processes: several are asked at once
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    confine = _confinement()
    _warm_up()
    with socket.socket(fileno=control) as incoming:
        while True:
            data, descriptors, _, _ = socket.recv_fds(incoming, 1, 3)
            if not data or len(descriptors) != 3:
                break
            if os.fork() == 0:
                incoming.close()
                _answer(confine, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
    os._exit(0)


def _warm_up() -> None:
    """Do once, with open eyes, what each process would otherwise do when it may no longer look."""
    with contextlib.suppress(Exception):
        torch.export.load(io.BytesIO())  # imports what loading needs
    # torch looks at /proc/cpuinfo when it first convolves; where it may not, its slowest loops run: 16 ms for 6.
    with torch.inference_mode():
        torch.nn.functional.conv2d(torch.zeros(1, 8, 8, 8), torch.zeros(8, 8, 3, 3))
        torch.nn.functional.linear(torch.zeros(8, 8), torch.zeros(8, 8))


def _answer(confine: Callable[[], list[str]], channel: int, program: int, images: int) -> None:
    """Load the program and answer until the channel closes; never returns."""
    try:
        layers = confine()
        ours = sorted({name.partition(".")[0] for name in sys.modules} & {"augment_ops", "monitoring", "mlflow"})
        if ours:
            raise RuntimeError(f"{', '.join(ours)} was imported: these are not the model's predictions alone")
        with mmap.mmap(program, 0, prot=mmap.PROT_READ) as memory:  # others read the same file, and its place is shared
            module = torch.export.load(io.BytesIO(memory)).module()
        _send(channel, True, json.dumps(layers).encode())
        observe = _observer(module)
    except BaseException as error:
        _send(channel, False, f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(1)
    while asked := _receive(channel, QUESTION.size):
        try:
            embedded, *shape = QUESTION.unpack(asked)
            results = _predict(module, observe, embedded, images, shape)
        except BaseException as error:
            _send(channel, False, f"{type(error).__name__}: {error}".encode()[:2000])
            continue
        widths = [array.shape[1] for array in results] + [0]
        _write(channel, RESULT.pack(True, shape[0], widths[0], widths[1]))
        for array in results:
            _write(channel, array.tobytes())
    os._exit(0)


def _predict(module: Any, observe: Any, embedded: bool, images: int, shape: list[int]) -> list[Any]:
    """Float32 (N, K) logits of the shared images, and (N, D) embeddings where they are asked for."""
    count = int(np.prod(shape))
    with mmap.mmap(images, count, prot=mmap.PROT_READ) as memory:
        # A copy: torch warns about memory that cannot be written, and the next batch comes into the same.
        batch = torch.from_numpy(np.frombuffer(memory, np.uint8, count).reshape(shape).copy())
    with torch.inference_mode():
        found = observe(batch) if embedded else (module(batch),)
    arrays = [np.ascontiguousarray(tensor.numpy(), np.float32) for tensor in found]
    if any(array.ndim != 2 or len(array) != shape[0] for array in arrays):
        raise ValueError(f"logits of shape {arrays[0].shape} for {shape[0]} images")
    return arrays


def _observer(module: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Also gives what the last linear layer is fed; the logits, where there is no such layer."""
    aten = torch.ops.aten
    place = {aten.linear.default: 0, aten.addmm.default: 1}  # which argument is the layer's input
    last = next((node for node in reversed(module.graph.nodes) if node.target in place), None)

    class Catching(torch.fx.Interpreter):
        caught: Any = None

        def run_node(self, n: torch.fx.Node) -> Any:
            if n is last:
                self.caught = self.env[n.args[place[n.target]]]
            return super().run_node(n)

    def observe(batch: Any) -> tuple[Any, Any]:
        interpreter = Catching(module)
        logits = interpreter.run(batch)
        logits = logits[0] if isinstance(logits, (tuple, list)) else logits
        caught = logits if interpreter.caught is None else interpreter.caught
        return logits, caught.reshape(len(batch), -1)

    return observe


def _confinement() -> Callable[[], list[str]]:
    # By its place: a package of this project is not to be imported here.
    place = Path(__file__).with_name("confinement.py")
    found = importlib.util.spec_from_file_location("confinement", place)
    if found is None or found.loader is None:
        raise ImportError(str(place))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.confine  # type: ignore[no-any-return]


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
    main(int(sys.argv[1]))
