"""Test-time augmentation: the answer for a sample is the mean of the answers for keyed views of it.

Source: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", 4.1, whose mean of
the probabilities of ten views this is.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import SampleIds
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.serving.augmenting_rules import ViewRules
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.batching import Computed, Overloaded
from augment_ops.serving.breaker import Breaker, Latency, Pass
from augment_ops.serving.model import ServedModel


@dataclass(frozen=True, eq=False)
class Scored:
    """What a request is answered with.

    Attributes:
        scores: float64 (n, K), probabilities.
        computed: what it went through the model with.
        said: of its augmentation, for the header; empty where the rules ask for none.
    """

    scores: NDArray[np.float64]
    computed: Computed
    said: str = ""


def views_of(augmenter: BatchAugmenter, rules: ViewRules, samples: Samples, ids: Sequence[str]) -> Samples:
    """The views of samples (n, *shape), one view of all after the other: (views * n, *shape).

    View v has the epoch v in its key, and view 0 is the sample itself where the rules say so.
    """
    epochs = range(rules.itself, rules.views)
    hashed = SampleIds.of(ids).repeated(len(epochs))
    made = augmenter(np.concatenate([samples] * len(epochs)), hashed, np.repeat(epochs, len(samples)))
    return np.concatenate([samples, made]) if rules.itself else made


def mean_of(scores: NDArray[np.float64], views: int) -> NDArray[np.float64]:
    """The answers (n, K) of the answers for the views, (views * n, K)."""
    mean: NDArray[np.float64] = scores.reshape(views, -1, scores.shape[1]).mean(axis=0)
    return mean


class Views:
    """Asks a model about views, as long as its breaker lets it, and about the samples alone otherwise.

    Attributes:
        augmenter: by which the views are made; None while the policy is not admitted.
    """

    def __init__(self, rules: ViewRules, breaker: Breaker, thread: AugmentingThread) -> None:
        self.rules, self._breaker, self._thread = rules, breaker, thread
        self.augmenter: BatchAugmenter | None = None
        self._named = f"{rules.policy}/{rules.version}"

    async def __call__(self, model: ServedModel, samples: Samples, ids: Sequence[str]) -> Scored:
        """The answer for samples (n, *shape) with these ids.

        Raises:
            Overloaded, StoreError: the model does not answer about the samples alone either.
        """
        if self.augmenter is None:
            return await self._plain(model, samples, "not admitted")
        passed = self._breaker.enter(model.batcher.waiting + self._thread.waiting)
        if passed is None:
            return await self._plain(model, samples, f"{self._breaker.state}: {self._breaker.why}")
        try:
            return await self._viewed(self.augmenter, passed, model, samples, ids)
        except Overloaded:
            self._breaker.left(passed, failed=True)
            return await self._plain(model, samples, "too many samples wait")
        except Exception as error:
            return await self._unviewed(error, passed, model, samples)
        except BaseException:
            self._breaker.dropped(passed)
            raise

    async def _viewed(
        self, augmenter: BatchAugmenter, passed: Pass, model: ServedModel, samples: Samples, ids: Sequence[str]
    ) -> Scored:
        rules, began = self.rules, monotonic()
        count = rules.views * len(samples)
        views, _ = await self._thread(count, lambda: views_of(augmenter, rules, samples, ids))
        made = monotonic()
        scores, computed = await model(views)
        answered = monotonic()
        # Of waiting and computing, all but the share of one view: what waits before it are views as well.
        augmenting = made - began + (answered - made) * (1 - 1 / rules.views)
        self._breaker.left(passed, failed=False, latency=Latency(answered - began, augmenting))
        return Scored(mean_of(scores, rules.views), computed, f"{self._named}; views={rules.views}")

    async def _unviewed(self, error: Exception, passed: Pass, model: ServedModel, samples: Samples) -> Scored:
        """The answer where there is none for the views; what the model does not answer at all is not their fault."""
        try:
            found = await self._plain(model, samples, "it failed")
        except BaseException:
            self._breaker.dropped(passed)
            raise
        traceback.print_exception(error)  # for who runs the service: whoever asks has an answer
        self._breaker.left(passed, failed=True)
        return found

    async def _plain(self, model: ServedModel, samples: Samples, why: str) -> Scored:
        scores, computed = await model(samples)
        return Scored(scores, computed, f"{self._named}; off ({why})")
