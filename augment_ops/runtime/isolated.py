"""Predictions of a model that nobody vouches for: computed in processes without network, secrets and write access.

For each format an interpreter of its own waits with its libraries imported (`isolated_process.py`), and splits off one
process for each model and each batch that is asked at the same time. Samples go over in shared memory; scores come back
through a socket, and are believed to be nothing but numbers.
"""

from __future__ import annotations

import asyncio
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
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import InputError, StoreError
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact

_SCRIPT = Path(__file__).with_name("isolated_process.py")
# As the script has them, which cannot be imported: with embeddings or not, the samples' dtype, how many dimensions they
# have, and their sizes; well or not, rows, and the widths of what follows.
_AXES = 6
_QUESTION, _RESULT = struct.Struct(f"<?4sB{_AXES}q"), struct.Struct("<?3q")
# One thread a process. And memory of activations is kept between batches, or the kernel clears it anew for each: glibc
# returns what is freed at the top of the heap, which made 1,300 page faults a batch of a small residual net.
_TUNED = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
_TIMEOUT_S = 300  # importing libraries takes seconds, a minute on a machine that swaps; a batch takes milliseconds
_MOST_BYTES = 1 << 30  # of scores and embeddings of a batch: what a process says of their size is not believed beyond
_BATCH_BYTES = 4 << 20  # of samples: activations are many times the input

# Yields how many bytes are wanted, is sent them; returns scores and embeddings, or why there are none.
_Exchange = Generator[int, bytearray, list[NDArray[np.float32]] | str]


class IsolatedModel:
    """A model, asked in processes of its own, one for each thread that asks; see `augment_ops.runtime.base.Model`.

    Args:
        content: what was understood of its file (`Runtime.checked`).
        source: where it came from, for messages.
        format: of the file.
        device: `cpu`.
        scores: how many a sample has to get; None where nobody knows.

    Raises:
        InputError: another device.
        StoreError: the library of the format cannot load it.
    """

    def __init__(self, content: bytes, source: str, format: str, device: str, scores: int | None = None) -> None:
        if device != "cpu":
            raise InputError(
                "device", device, "cpu: an isolated process may open no other", "ask the model on the processor"
            )
        self._source, self._format, self._scores = source, format, scores
        self._content = _memory(content)
        self._close_content = weakref.finalize(self, os.close, self._content)
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        first = self._process()
        self.confinement: tuple[str, ...] = first.confinement
        self._idle.append(first)

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """See `Model`."""
        return self._ask(samples, embedded=False)[0]

    async def predict_async(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """See `Model`."""
        process = self._idle_process()
        if process is None:
            process = await asyncio.to_thread(self._process)
        with self._lent(process):
            found = await process.ask_async(samples)
        return self._understood(found)[0]

    def observe(self, samples: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Model`."""
        scores, embeddings = self._ask(samples, embedded=True)
        return scores, embeddings

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
        self._close_content()

    def _process(self) -> _Process:
        return _Process(self._format, self._content, self._source, self._scores)

    def _ask(self, samples: NDArray[Any], *, embedded: bool) -> list[NDArray[np.float32]]:
        process = self._idle_process() or self._process()
        with self._lent(process):
            found = process.ask(samples, embedded)
        return self._understood(found)

    def _idle_process(self) -> _Process | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    @contextlib.contextmanager
    def _lent(self, process: _Process) -> Iterator[None]:
        """While it holds, the process is asked; it is asked again only where it has said all that it was asked for."""
        try:
            yield
        except _Silent as error:  # ended, or talks nonsense
            process.close()
            raise _no_answer(self._source, str(error)) from error
        except BaseException:
            process.close()
            raise
        with self._lock:
            self._idle.append(process)

    def _understood(self, found: list[NDArray[np.float32]] | str) -> list[NDArray[np.float32]]:
        if isinstance(found, str):
            raise _no_answer(self._source, found)
        return found


def ask_in_isolated_process(artifact: Artifact, samples: NDArray[Any]) -> tuple[NDArray[np.float32], Sequence[str]]:
    """What a model makes of samples (N, *shape), some thousands of them if need be.

    Returns:
        Scores float32 (N, K), and the layers of confinement that held the process.

    Raises:
        StoreError: the artifact holds what no trainer of ours writes, or the model does not answer for these samples.
    """
    at_once = max(1, _BATCH_BYTES // max(1, samples[:1].nbytes))
    with load(artifact) as model:
        parts = [model(samples[start : start + at_once]) for start in range(0, len(samples), at_once)]
        return np.concatenate(parts), model.confinement


class _Silent(Exception):  # noqa: N818 - never leaves this module
    """A process that ended, waits for ever or says what it was not asked."""


class _Process:
    """One process that holds the model, and memory for the samples that it is asked about."""

    def __init__(self, format: str, content: int, source: str, scores: int | None) -> None:
        self._scores, self._samples = scores, _memory(b"")
        self._mapped: mmap.mmap | None = None
        self._channel, theirs = socket.socketpair()
        self._finalize = weakref.finalize(self, _let_go, self._channel, self._samples)
        self._channel.settimeout(_TIMEOUT_S)
        try:
            with theirs:
                _interpreter(format).split_off(theirs.fileno(), content, self._samples)
            well, size, _, _ = _RESULT.unpack(self._receive(_RESULT.size))
            message = bytes(self._receive(min(size, 4000)))
            if not well:
                raise _Silent(message.decode(errors="replace"))
            self.confinement = tuple(str(layer)[:40] for layer in json.loads(message))
        except (_Silent, OSError, ValueError) as error:
            self.close()
            raise _no_answer(source, str(error)) from error

    def ask(self, samples: NDArray[Any], embedded: bool) -> list[NDArray[np.float32]] | str:
        """Scores, and embeddings where they are asked for; or why there are none."""
        self._channel.settimeout(_TIMEOUT_S)
        exchange = self._exchange(samples, embedded)
        try:
            wanted = next(exchange)
            while True:
                wanted = exchange.send(self._receive(wanted))
        except StopIteration as said:
            found: list[NDArray[np.float32]] | str = said.value
            return found
        except OSError as error:
            raise _Silent(str(error)) from error

    async def ask_async(self, samples: NDArray[Any]) -> list[NDArray[np.float32]] | str:
        """The same without embeddings, and without holding up the event loop, whatever the process does."""
        self._channel.settimeout(0)
        exchange = self._exchange(samples, embedded=False)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                wanted = next(exchange)
                while True:
                    wanted = exchange.send(await self._receive_async(wanted))
        except StopIteration as said:
            found: list[NDArray[np.float32]] | str = said.value
            return found
        except OSError as error:
            raise _Silent(str(error)) from error

    def _exchange(self, samples: NDArray[Any], embedded: bool) -> _Exchange:
        """What is said to the process, and made of what it says: yields how many bytes it wants to be sent next."""
        samples = np.ascontiguousarray(samples)
        if not 2 <= samples.ndim <= _AXES or samples.dtype.kind not in "biuf":
            return f"samples of {samples.dtype} {samples.shape}"
        samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
        shape = (*samples.shape, *(0 for _ in range(_AXES - samples.ndim)))
        self._hand_over(samples)
        with contextlib.suppress(ConnectionError):  # reading tells that it ended
            # It waits for a question and for nothing else, so that there is room for one.
            self._channel.sendall(_QUESTION.pack(embedded, samples.dtype.str[1:].encode(), samples.ndim, *shape))
        well, rows, *widths = _RESULT.unpack((yield _RESULT.size))
        if not well:
            return bytes((yield min(max(rows, 0), 4000))).decode(errors="replace")
        if rows != len(samples) or min(widths) < 0 or rows * sum(widths) * 4 > _MOST_BYTES:
            raise _Silent(f"{rows} rows of {widths} numbers")
        if self._scores not in (None, widths[0]):
            raise _Silent(f"{widths[0]} scores a sample, and not {self._scores}")
        found = []
        for width in widths[: 1 + embedded]:
            found.append(np.frombuffer((yield rows * width * 4), np.float32).reshape(rows, width))
        return found

    def close(self) -> None:
        """Let the process end: it does when its channel closes."""
        self._finalize()

    def _hand_over(self, samples: NDArray[Any]) -> None:
        if self._mapped is None or len(self._mapped) < samples.nbytes:
            size = max(samples.nbytes, mmap.PAGESIZE)
            os.ftruncate(self._samples, size)
            self._mapped = mmap.mmap(self._samples, size)
        self._mapped[: samples.nbytes] = samples.reshape(-1).view(np.uint8).data

    def _receive(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            try:
                count = self._channel.recv_into(rest)
            except ConnectionError:
                count = 0
            rest = rest[_received(count) :]
        return data

    async def _receive_async(self, size: int) -> bytearray:
        data, loop = bytearray(size), asyncio.get_running_loop()
        rest = memoryview(data)
        while rest:
            try:
                count = await loop.sock_recv_into(self._channel, rest)
            except ConnectionError:
                count = 0
            rest = rest[_received(count) :]
        return data


def _received(count: int) -> int:
    if count == 0:
        raise _Silent("the process ended: the model asked for what it may not have, or for too much memory")
    return count


class _Interpreter:
    """The interpreter that waits with the libraries of a format imported; it ends when this process does."""

    def __init__(self, format: str) -> None:
        self._control, theirs = socket.socketpair()
        # Nothing of this process's environment, where passwords are, goes over.
        environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(_SCRIPT), str(theirs.fileno()), format],
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


_waiting: dict[str, _Interpreter] = {}
_making = threading.Lock()


def _interpreter(format: str) -> _Interpreter:
    with _making:
        if format not in _waiting or not _waiting[format].lives():
            _waiting[format] = _Interpreter(format)
        return _waiting[format]


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    process.kill()  # it may still be importing, and holds nothing; the processes it split off end with their channels
    process.wait()


def _let_go(channel: socket.socket, samples: int) -> None:
    channel.close()
    os.close(samples)


def _memory(content: bytes) -> int:
    """A descriptor of memory that holds the content, and of no file that has a name.

    Where the platform can seal it, content is never changed again; memory for samples, which has none yet, never
    shrinks under whoever has mapped it.
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
    return StoreError(
        source, words, "a model that the library of its format alone can load and ask", "train the model again"
    )
