"""An exported program (`.pt2`) as a function of images, loaded without running any pickle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from augment_ops.errors import StoreError
from augment_ops.tracking.connection import quieten

Predict = Callable[[np.ndarray], np.ndarray]  # uint8 (N, H, W, C) to float32 (N, K) logits
Observe = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # the same, with float32 (N, D) embeddings


def load_program(path: Path) -> Predict:
    """Load a program that takes uint8 (N, H, W, C) and gives float32 (N, K) logits.

    `torch.export.load` unpickles example inputs and odd constants with full rights; MLflow's check refuses an archive
    that holds anything but tensors, plain containers and JSON before that happens.

    Raises:
        StoreError: no `.pt2`, or one that could run code when it is loaded.
    """
    import torch

    module = _module(path)

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            # A copy, because stored pixels are mapped read-only, which torch warns about.
            logits: np.ndarray = module(torch.from_numpy(np.array(images))).numpy()
        return logits

    return predict


def _module(path: Path) -> Any:
    check_harmless(path)
    import torch

    try:
        with path.open("rb") as file:  # a path would have to end in .pt2, and objects of the store do not
            return torch.export.load(file).module()
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_program(path, error) from error


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Torch computes each call on the thread that makes it, as long as this holds.

    Small nets spend more time on handing work to threads and waiting for them than on the work: two threads with a
    batch each answered three times as fast as two threads on one batch, on 2 busy cores. Where training has made torch
    deterministic in this process, it also fills new memory before it is written; that costs a quarter of the time and
    protects only code that reads what it has not written.
    """
    import torch

    deterministic: Any = torch.utils.deterministic
    before = torch.get_num_threads(), deterministic.fill_uninitialized_memory
    torch.set_num_threads(1)
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        deterministic.fill_uninitialized_memory = before[1]


def check_harmless(path: Path) -> None:
    """See that loading the program runs no code.

    Raises:
        StoreError: no `.pt2`, or one that could run code when it is loaded.
    """
    quieten()
    from mlflow.exceptions import MlflowException
    from mlflow.pytorch import _validate_pt2_archive_is_pickle_free

    try:
        _validate_pt2_archive_is_pickle_free(str(path))
    except (MlflowException, OSError, RuntimeError, ValueError) as error:
        raise _no_program(path, error) from error


def _no_program(path: Path, error: Exception) -> StoreError:
    return StoreError(
        str(path),
        " ".join(str(error).split())[:200],
        "a .pt2 archive of tensors and JSON",
        "export the network again with torch.export.save; never load a model of unknown origin",
    )


def load_observer(path: Path) -> Observe:
    """Load a program as `load_program` does; it also gives what its last linear layer is fed.

    Returns:
        From uint8 (N, H, W, C) to float32 (N, K) logits and float32 (N, D) embeddings; the logits stand for the
        embeddings of a network that has no linear layer.

    Raises:
        StoreError: see `load_program`.
    """
    import torch

    module = _module(path)

    linear = (torch.ops.aten.linear.default, torch.ops.aten.addmm.default)
    place = {linear[0]: 0, linear[1]: 1}  # which argument is the layer's input
    last = next((node for node in reversed(module.graph.nodes) if node.target in linear), None)

    class Catching(torch.fx.Interpreter):
        caught: Any = None

        def run_node(self, n: torch.fx.Node) -> Any:
            if n is last:
                self.caught = self.env[n.args[place[n.target]]]
            return super().run_node(n)

    def observe(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        interpreter = Catching(module)
        with torch.inference_mode():
            logits = interpreter.run(torch.from_numpy(np.array(images)))
        logits = logits[0] if isinstance(logits, (tuple, list)) else logits
        caught = logits if interpreter.caught is None else interpreter.caught
        return logits.numpy(), caught.reshape(len(images), -1).numpy()

    return observe
