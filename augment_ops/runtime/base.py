"""The seam of what predicts: an artifact is loaded by its format, and asked in processes of its own."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.runtime.artifact import Artifact

Observe = Callable[[NDArray[Any]], tuple[NDArray[np.float32], NDArray[np.float32]]]  # see `Model.observe`


class Model(Protocol):
    """What predicts; thread-safe. Close it, or use it as a context.

    Attributes:
        confinement: the layers that hold its processes, such as `landlock 7` and `seccomp`.
    """

    confinement: tuple[str, ...]

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Scores float32 (N, K) of samples (N, *shape); softmax of them gives the probabilities of the classes.

        Raises:
            StoreError: the model does not answer for these samples.
        """
        ...

    async def predict_async(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """The same as calling it, for an event loop, which goes on meanwhile.

        Raises:
            StoreError: the model does not answer for these samples.
        """
        ...

    def observe(self, samples: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, with embeddings float32 (N, D); the scores stand for those of a model that has none.

        Raises:
            StoreError: the model does not answer for these samples.
        """
        ...

    def close(self) -> None:
        """End its processes."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Runtime(Protocol):
    """All that knows one format of artifacts."""

    @property
    def format(self) -> str:
        """As records name it."""
        ...

    @property
    def place(self) -> str:
        """Path of the artifact within MLflow's folder of a model."""
        ...

    @property
    def libraries(self) -> tuple[str, ...]:
        """What a service that reads such a file has to install."""
        ...

    def checked(self, artifact: Artifact) -> bytes:
        """What may be read of an artifact: a new file, written of what was understood.

        Raises:
            StoreError: it holds anything that a trainer of this project does not write.
        """
        ...

    def scores(self, artifact: Artifact) -> int:
        """K: how many scores a sample gets, as the file says, which is not asked.

        Raises:
            StoreError: see `checked`.
        """
        ...

    def load(self, artifact: Artifact, device: str, scores: int | None = None) -> Model:
        """The model of an artifact.

        Args:
            device: `cpu`; an isolated process reaches no other.
            scores: how many a sample has to get, where that is known: memory is taken for no others.

        Raises:
            InputError: another device.
            StoreError: see `checked`, or it cannot be loaded.
        """
        ...
