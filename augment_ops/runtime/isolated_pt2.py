"""What an isolated process does for an exported program; imports torch and NumPy and nothing of this project."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

torch.set_num_threads(1)  # of the processes: several are asked at once

_TOGETHER = 64  # activations that stay in the cache: at 28×28, 1024 take 1.6 times as long a sample
_TOGETHER_BYTES = 32 << 20  # fewer of large samples: activations are many times the input


def warm_up() -> None:
    """Do once, with open eyes, what each process would otherwise do when it may no longer look."""
    with contextlib.suppress(Exception):
        torch.export.load(io.BytesIO())  # imports what loading needs
    # torch looks at /proc/cpuinfo when it first convolves; where it may not, its slowest loops run: 16 ms for 6.
    with torch.inference_mode():
        torch.nn.functional.conv2d(torch.zeros(1, 8, 8, 8), torch.zeros(8, 8, 3, 3))
        torch.nn.functional.linear(torch.zeros(8, 8), torch.zeros(8, 8))


def load(content: bytes) -> Callable[[Any, bool], list[Any]]:
    """What gives float32 (N, K) logits of samples (N, *shape), and (N, D) embeddings where they are asked for."""
    module = torch.export.load(io.BytesIO(content)).module()
    observe = _observer(module)

    def predict(samples: Any, embedded: bool) -> list[Any]:
        batch, size = torch.from_numpy(samples), _together(samples)
        parts = [batch[at : at + size] for at in range(0, max(1, len(batch)), size)]
        with torch.inference_mode():
            found = [observe(part) if embedded else (module(part),) for part in parts]
        return [
            _joined([np.ascontiguousarray(part.numpy(), np.float32) for part in of]) for of in zip(*found, strict=True)
        ]

    return predict


def _together(samples: Any) -> int:
    """How many samples (N, *shape) are computed at a time; of rows of a table all, which keep nothing in the cache."""
    if samples.ndim == 2 and samples.dtype.kind == "f":
        return max(1, len(samples))
    return max(1, min(_TOGETHER, _TOGETHER_BYTES // max(1, int(samples[:1].nbytes))))


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
