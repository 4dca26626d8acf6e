"""Predictions of a program that nobody vouches for: computed in processes without network, secrets and write access.

An interpreter of its own waits with torch imported (`isolated_process.py`), and splits off one process for each program
and each batch that is asked at the same time. Images go over in shared memory; logits come back through a socket, and
are believed to be nothing but numbers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import StoreError
from augment_ops.runtime.archive import checked
from augment_ops.runtime.artifact import Artifact, read_artifact

Observe = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]

_SCRIPT = Path(__file__).with_name("isolated_process.py")
_QUESTION, _RESULT = struct.Struct("<?4q"), struct.Struct("<?3q")  # as the script has them, which cannot be imported
# One thread a process. And memory of activations is kept between batches, or the kernel clears it anew for each: glibc
# returns what is freed at the top of the heap, which made 1,300 page faults a batch of a small residual net.
_TUNED = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
_TIMEOUT_S = 300  # importing torch takes seconds, a minute on a machine that swaps; a batch takes milliseconds
_MOST_BYTES = 1 << 30  # of logits and embeddings of a batch: what a process says of their size is not believed beyond
_BATCH_BYTES = 4 << 20  # of images: activations are many times the input


class IsolatedModel:
    """A program, asked in processes of its own; thread-safe, and each thread that asks has a process.

    Call it with images uint8 (N, H, W, C) for float32 (N, K) logits. Close it, or use it as a context.

    Attributes:
        confinement: the layers that hold its processes, such as `landlock 7` and `seccomp`.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Load the program.

        Raises:
            StoreError: the file is none that our exporter writes, or torch cannot load it.
        """
        self._source = artifact.source
        self._program = _memory(checked(artifact))
        self._close_program = weakref.finalize(self, os.close, self._program)
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        first = _Process(self._program, self._source)
        self.confinement: tuple[str, ...] = first.confinement
        self._idle.append(first)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, K) of images uint8 (N, H, W, C).

        Raises:
            StoreError: the program does not answer for these images.
        """
        return self._ask(images, embedded=False)[0]

    def observe(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, with the embeddings float32 (N, D) that its last linear layer is fed.

        The logits stand for the embeddings of a network that has no linear layer.

        Raises:
            StoreError: the program does not answer for these images.
        """
        logits, embeddings = self._ask(images, embedded=True)
        return logits, embeddings

    def close(self) -> None:
        """End its processes."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._close_program()

    def _ask(self, images: NDArray[np.uint8], *, embedded: bool) -> list[NDArray[np.float32]]:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        process = process or _Process(self._program, self._source)
        try:
            found = process.ask(images, embedded)
        except _Silent as error:  # ended, or talks nonsense: not asked again
            process.close()
            raise _no_answer(self._source, str(error)) from error
        except BaseException:
            process.close()
            raise
        with self._lock:
            self._idle.append(process)
        if isinstance(found, str):
            raise _no_answer(self._source, found)
        return found


def load_program(path: Path, sha256: str) -> IsolatedModel:
    """The model in a file that the caller names by its sha256.

    Raises:
        StoreError: the file is another, holds what our exporter does not write, or cannot be loaded.
    """
    return IsolatedModel(read_artifact(path, sha256))


def ask_in_isolated_process(program: Artifact, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Sequence[str]]:
    """What a program makes of images uint8 (N, H, W, C), some thousands of them if need be.

    Returns:
        Logits float32 (N, K), and the layers of confinement that held the process.

    Raises:
        StoreError: the program holds what our exporter does not write, or does not answer for these images.
    """
    at_once = max(1, _BATCH_BYTES // max(1, images[:1].nbytes))
    with IsolatedModel(program) as model:
        parts = [model(images[start : start + at_once]) for start in range(0, len(images), at_once)]
        return np.concatenate(parts), model.confinement


class _Silent(Exception):  # noqa: N818 - never leaves this module
    """A process that ended, waits for ever or says what it was not asked."""


class _Process:
    """One process that holds the program, and memory for the images that it is asked about."""

    def __init__(self, program: int, source: str) -> None:
        self._images = _memory(b"")
        self._mapped: mmap.mmap | None = None
        self._channel, theirs = socket.socketpair()
        self._finalize = weakref.finalize(self, _let_go, self._channel, self._images)
        self._channel.settimeout(_TIMEOUT_S)
        try:
            with theirs:
                _interpreter().split_off(theirs.fileno(), program, self._images)
            well, size, _, _ = _RESULT.unpack(self._receive(_RESULT.size))
            message = bytes(self._receive(min(size, 4000)))
            if not well:
                raise _Silent(message.decode(errors="replace"))
            self.confinement = tuple(str(layer)[:40] for layer in json.loads(message))
        except (_Silent, OSError, ValueError) as error:
            self.close()
            raise _no_answer(source, str(error)) from error

    def ask(self, images: NDArray[np.uint8], embedded: bool) -> list[NDArray[np.float32]] | str:
        """Logits, and embeddings where they are asked for; or why there are none."""
        images = np.ascontiguousarray(images, np.uint8)
        if images.ndim != 4:
            return f"images of shape {images.shape}"
        try:
            self._hand_over(images)
            with contextlib.suppress(ConnectionError):  # reading tells that it ended
                self._channel.sendall(_QUESTION.pack(embedded, *images.shape))
            well, rows, *widths = _RESULT.unpack(self._receive(_RESULT.size))
            if not well:
                return bytes(self._receive(min(max(rows, 0), 4000))).decode(errors="replace")
            if rows != len(images) or min(widths) < 0 or rows * sum(widths) * 4 > _MOST_BYTES:
                raise _Silent(f"{rows} rows of {widths} numbers")
            return [self._array(rows, width) for width in widths[: 1 + embedded]]
        except OSError as error:
            raise _Silent(str(error)) from error

    def close(self) -> None:
        """Let the process end: it does when its channel closes."""
        self._finalize()

    def _hand_over(self, images: NDArray[np.uint8]) -> None:
        if self._mapped is None or len(self._mapped) < images.nbytes:
            size = max(images.nbytes, mmap.PAGESIZE)
            os.ftruncate(self._images, size)
            self._mapped = mmap.mmap(self._images, size)
        self._mapped[: images.nbytes] = images.reshape(-1).data

    def _array(self, rows: int, width: int) -> NDArray[np.float32]:
        found = np.frombuffer(self._receive(rows * width * 4), np.float32)
        return found.reshape(rows, width)

    def _receive(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            try:
                count = self._channel.recv_into(rest)
            except ConnectionError:
                count = 0
            if count == 0:
                raise _Silent("the process ended: the program asked for what it may not have, or for too much memory")
            rest = rest[count:]
        return data


class _Interpreter:
    """The interpreter that waits with torch imported; it ends when this process does."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        # Nothing of this process's environment, where passwords are, goes over.
        environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(_SCRIPT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**environment, **_TUNED},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.made_in = os.getpid()
        self._finalize = weakref.finalize(self, _end, self._control, self.process)

    def split_off(self, *descriptors: int) -> None:
        """Have a process split off that is given these descriptors."""
        socket.send_fds(self._control, [b"+"], descriptors)

    def lives(self) -> bool:
        """Whether it can be asked; a process that was forked from its maker makes one of its own."""
        return self.made_in == os.getpid() and self.process.poll() is None


_waiting: list[_Interpreter] = []
_making = threading.Lock()


def _interpreter() -> _Interpreter:
    with _making:
        if not _waiting or not _waiting[0].lives():
            _waiting[:] = [_Interpreter()]
        return _waiting[0]


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    process.kill()  # it may still be importing, and holds nothing; the processes it split off end with their channels
    process.wait()


def _let_go(channel: socket.socket, images: int) -> None:
    channel.close()
    os.close(images)


def _memory(content: bytes) -> int:
    """A descriptor of memory that holds the content, and of no file that has a name.

    Where the platform can seal it, content is never changed again; memory for images, which has none yet, never shrinks
    under whoever has mapped it.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            return os.dup(file.fileno())
    descriptor = os.memfd_create("augment-ops-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest, at = memoryview(content), 0
    while at < len(content):
        at += os.pwrite(descriptor, rest[at : at + (1 << 30)], at)  # the kernel takes 2 GB at once
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    if content:
        seals |= fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _no_answer(source: str, found: str) -> StoreError:
    words = "".join(c if c.isprintable() else " " for c in " ".join(found.split())[:200])
    return StoreError(source, words, "a program that torch alone can load and ask", "export the network again")
