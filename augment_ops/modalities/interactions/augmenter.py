"""`HistoryAugmenter`: from histories and ids to augmented histories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.decisions import Decisions
from augment_ops.engine.key import Ids, SampleIds
from augment_ops.engine.keys import Epoch, checked_epoch, keys_of
from augment_ops.errors import TransformError
from augment_ops.modalities.base import Population
from augment_ops.modalities.interactions.catalogue import CATALOGUE, Others, changed, looks_at_others
from augment_ops.modalities.interactions.cooccurrence import (
    Cooccurrence,
    cooccurrence,
    of_batch,
)
from augment_ops.modalities.interactions.histories import Histories, is_histories
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.on_demand import OnDemand
from augment_ops.policy.containers import planned
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform, values_of

# Part of the lineage: raise it whenever the same key may give other bytes.
ENGINE = "interactions-1"


@dataclass(frozen=True)
class HistoryStep:
    """A transform or container at its place in the policy; see `augment_ops.engine.decisions.PolicyNode`."""

    index: int
    name: str
    values: Mapping[str, Any]
    children: tuple[HistoryStep, ...] = ()
    applies_whole: bool = False

    def leaves(self) -> list[HistoryStep]:
        """The transforms in the order of the file."""
        return [leaf for child in self.children for leaf in child.leaves()] if self.children else [self]


class HistoryAugmenter:
    """A policy and a seed, applied to batches of histories: a pure function of (policy digest, seed, epoch, sample id).

    And of the training split, which transforms look at (`training.digest`). The same key gives the same bytes whatever
    the batch, its order, the thread or the process. Thread-safe; picklable.

    Args:
        policy: what to apply.
        seed: any integer; other seeds give independent results.
        training: of the training split of the snapshot that the histories are of, which is asked where a step looks at
            others, and first when it is applied. Without it a batch is taken for the whole. Then the result depends on
            the batch, which is good enough to time a policy.
    """

    def __init__(self, policy: Policy, seed: int, training: OnDemand[Cooccurrence] | None = None) -> None:
        self.policy = policy
        self.seed = index(seed)
        steps = tuple(_numbered(policy.transforms, [0]))
        self._decide = Decisions(steps)
        self._leaves = [leaf for step in steps for leaf in step.leaves()]
        self._looks_at_others = any(looks_at_others(leaf.name) for leaf in self._leaves)
        self._training = training if self._looks_at_others else None

    @property
    def engine(self) -> str:
        """What computes; and of what samples, where a transform looks at others of them: shards of one population are
        not those of another.
        """
        return ENGINE if self._training is None else f"{ENGINE} of {self._training().digest[:16]}"

    @property
    def holds_the_interpreter(self) -> bool:
        """NumPy lets others run while it computes."""
        return False

    def __call__(self, histories: Histories, ids: Ids | SampleIds, epoch: Epoch = 0) -> Histories:
        """Augment a batch.

        Args:
            histories: int32 (N, H, 2); not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy; or int64 (N,), that of each sample.

        Returns:
            int32 (N, H, 2), a new array. A history without items stays as it is.

        Raises:
            TransformError: another shape or dtype, ids that do not match or repeat.
            TypeError: an epoch that is not an integer: 3.0 would be another key than 3.
        """
        if not is_histories(histories):
            found = (
                f"{histories.dtype} {histories.shape}" if isinstance(histories, np.ndarray) else str(type(histories))
            )
            raise TransformError("histories", found, "an int32 array (N, H, 2)", "pass histories of a snapshot")
        if len(ids) != len(histories):
            found = f"{len(ids)} ids for {len(histories)} histories"
            raise TransformError("ids", found, "one id a history", "match them")
        ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
        epoch = checked_epoch(epoch, len(ids))
        out = histories.copy()
        if self.policy.is_identity or not len(out):
            return out
        keys = keys_of(self.policy.digest, self.seed, epoch, ids)
        masks, others = self._decide(keys), self._others(histories, ids)
        for leaf in self._leaves:
            rows = np.flatnonzero(masks[leaf.index])
            draws = philox.uniforms(keys[rows], leaf.index, philox.PARAMETERS, 2 * out.shape[1] + 1)
            out[rows] = changed(leaf.name, leaf.values, out[rows], draws, others and others.of(rows))
        return out

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Histories keep the room that they have."""
        return shape

    def describe(self) -> list[str]:
        """One line: every step works on a batch at once."""
        return [] if self.policy.is_identity else [f"histories: {', '.join(leaf.name for leaf in self._leaves)}"]

    def _others(self, histories: Histories, ids: SampleIds) -> Others | None:
        if not self._looks_at_others:
            return None
        known = of_batch(histories, ids) if self._training is None else self._training()
        return Others(known, known.next_of(ids))

    def __getstate__(self) -> tuple[Policy, int, OnDemand[Cooccurrence] | None]:
        return self.policy, self.seed, self._training

    def __setstate__(self, state: tuple[Policy, int, OnDemand[Cooccurrence] | None]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def known_of(population: Population, **how_many: int) -> OnDemand[Cooccurrence]:
    """What transforms know of the samples that a policy augments, which are read whole when it is first asked for.

    A label is the place of an item among the classes, which the catalogue has in the same order: a code is one more.

    Args:
        population: of a data set of interactions.
        how_many: `neighbours` and `together` of `cooccurrence`, where they are others.

    Raises:
        TransformError: a data set without a catalogue.
    """
    items = len(catalogue_of(population).names)
    codes = np.asarray(population.labels, np.int64) + 1
    if codes.max(initial=0) > items:
        raise TransformError("training split", f"{codes.max()} classes", f"{items} items", "ingest it again")
    return OnDemand(partial(_counted, population, codes, **how_many))


def _counted(population: Population, codes: NDArray[np.int64], **how_many: int) -> Cooccurrence:
    histories = population.payload.take(np.arange(len(codes)))
    return cooccurrence(histories, codes, population.ids, **how_many)


def catalogue_of(population: Population) -> Items:
    """The items of a data set.

    Raises:
        TransformError: it names none.
    """
    if population.schema is None:
        raise TransformError("training split", "no catalogue of items", "one", "ingest the interactions again")
    return Items.read(population.schema)


def _numbered(transforms: Sequence[Transform], count: list[int]) -> Iterator[HistoryStep]:
    """Numbered in the order of the file, containers included.

    Args:
        count: one number, of the steps before; counted on.
    """
    for transform in transforms:
        number = count[0]
        count[0] += 1
        values = values_of(transform, CATALOGUE)
        children = tuple(_numbered(planned(transform.name, values, transform.children), count))
        yield HistoryStep(number, transform.name, values, children)
