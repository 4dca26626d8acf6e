"""`TextAugmenter`: from texts and ids to augmented texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from augment_ops.engine.decisions import Decisions
from augment_ops.engine.key import Ids, SampleIds
from augment_ops.engine.keys import Epoch, checked_epoch, keys_of
from augment_ops.errors import TransformError
from augment_ops.modalities.text.catalogue import CATALOGUE, change_of
from augment_ops.modalities.text.texts import Texts, read, written
from augment_ops.modalities.text.transforms import Keys, change_all, texts_of
from augment_ops.modalities.text.words import sentence
from augment_ops.policy.containers import planned
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform, values_of

# Part of the lineage: raise it whenever the same key may give other texts. The lexicon is part of it.
ENGINE = "text-1"
_AT_ONCE = 2_000  # texts: draws for words that only the longest has take a MB or two


@dataclass(frozen=True)
class TextStep:
    """A transform or container at its place in the policy; see `augment_ops.engine.decisions.PolicyNode`."""

    index: int
    name: str
    values: Mapping[str, Any]
    children: tuple[TextStep, ...] = ()
    applies_whole: bool = False

    def leaves(self) -> list[TextStep]:
        """The transforms in the order of the file."""
        return [leaf for child in self.children for leaf in child.leaves()] if self.children else [self]


class TextAugmenter:
    """A policy and a seed, applied to batches of texts: a pure function of (policy digest, seed, epoch, sample id).

    The same key gives the same bytes whatever the batch, its order, the thread or the process. Thread-safe; picklable.

    Args:
        policy: what to apply.
        seed: any integer; other seeds give independent results.
    """

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.seed = index(seed)
        steps = _steps(policy.transforms, [0])
        self._decide = Decisions(steps)
        leaves = [leaf for step in steps for leaf in step.leaves()]
        self._changes = [(leaf, change_of(leaf.name, leaf.values)) for leaf in leaves]

    @property
    def engine(self) -> str:
        """What computes."""
        return ENGINE

    @property
    def holds_the_interpreter(self) -> bool:
        """Python does all of it: several threads would wait for each other."""
        return True

    def __call__(self, texts: Texts, ids: Ids | SampleIds, epoch: Epoch = 0) -> Texts:
        """Augment a batch.

        Args:
            texts: uint8 (N, L), UTF-8, zeros after the end; not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy; or int64 (N,), that of each sample.

        Returns:
            uint8 (N, L), a new array. A text that would become longer than L bytes stays as it was.

        Raises:
            TransformError: another shape or dtype, ids that do not match or repeat.
            TypeError: an epoch that is not an integer: 3.0 would be another key than 3.
        """
        if not (isinstance(texts, np.ndarray) and texts.dtype == np.uint8 and texts.ndim == 2):
            found = f"{texts.dtype} {texts.shape}" if isinstance(texts, np.ndarray) else type(texts).__name__
            raise TransformError("texts", found, "a uint8 array (N, L) of UTF-8", "pass texts of a snapshot")
        if len(ids) != len(texts):
            raise TransformError("ids", f"{len(ids)} ids for {len(texts)} texts", "one id a text", "match them")
        ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
        epoch = checked_epoch(epoch, len(ids))
        out = texts.copy()
        if not self.policy.is_identity:
            keys = keys_of(self.policy.digest, self.seed, epoch, ids)
            for start in range(0, len(texts), _AT_ONCE):
                self._augment(out[start : start + _AT_ONCE], keys[start : start + _AT_ONCE])
        return out

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Texts keep the room that they have."""
        return shape

    def describe(self) -> list[str]:
        """One line: every text goes through all steps by itself."""
        return [] if self.policy.is_identity else [f"texts: {', '.join(leaf.name for leaf, _ in self._changes)}"]

    def _augment(self, texts: Texts, keys: Keys) -> None:
        """In place."""
        masks = self._decide(keys)
        rows = np.flatnonzero(np.any([masks[leaf.index] for leaf, _ in self._changes], axis=0))
        before = read(texts[rows])
        sentences = [sentence(text) for text in before]
        for leaf, change in self._changes:
            chosen = np.flatnonzero(masks[leaf.index][rows])
            change_all(change, [sentences[place] for place in chosen.tolist()], keys[rows[chosen]], leaf.index)
        texts[rows] = written(texts_of(sentences, before, texts.shape[1]), texts.shape[1])

    def __getstate__(self) -> tuple[Policy, int]:
        return self.policy, self.seed

    def __setstate__(self, state: tuple[Policy, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def _steps(transforms: Sequence[Transform], count: list[int]) -> tuple[TextStep, ...]:
    """Numbered in the order of the file, containers included.

    Args:
        count: one number, of the steps before; counted on.
    """
    return tuple(_numbered(transforms, count))


def _numbered(transforms: Sequence[Transform], count: list[int]) -> Iterator[TextStep]:
    for transform in transforms:
        number = count[0]
        count[0] += 1
        values = values_of(transform, CATALOGUE)
        children = _steps(planned(transform.name, values, transform.children), count)
        yield TextStep(number, transform.name, values, children)
