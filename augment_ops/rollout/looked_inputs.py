"""What the looks at the inputs of canaries found: recorded, so that whoever looks later makes none of them again.

    rollouts/<data set>/<rollout>.inputs.json of the store: by step, its looks in order

What the log holds of a stretch of time grows, by files that are written late and by replicas whose clocks are behind,
and of much is read a part. A look that is made again of another part would be one more look, which no part of α was
kept for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.rollout.inputs import InputLook


@dataclass(frozen=True, kw_only=True)
class _KeptLooks:
    NEWEST_FORMAT: ClassVar[int] = 1

    format: int = 1
    steps: Mapping[str, tuple[InputLook, ...]] = field(default_factory=dict)


class LookedInputs:
    """Of one rollout.

    Args:
        rollout: its id.
    """

    def __init__(self, store: Store, dataset: str, rollout: str) -> None:
        self._store, self._name = store, f"rollouts/{dataset}/{rollout}.inputs.json"

    def looks(self, step: int) -> tuple[InputLook, ...]:
        """At a canary, oldest first.

        Raises:
            StoreError: the record cannot be read.
        """
        return self._kept().get(str(step), ())

    def keep(self, step: int, looks: Sequence[InputLook]) -> tuple[InputLook, ...]:
        """Record the looks at a canary; those that are recorded then, which another driver may have made.

        Raises:
            StoreError: the record cannot be read or kept.
        """
        kept = self._kept()
        there = kept.get(str(step), ())
        if len(looks) > len(there):
            whole = _KeptLooks(steps={**kept, str(step): (*there, *looks[len(there) :])})
            self._store.put_document(self._name, canonical_json(whole))
        return self.looks(step)

    def _kept(self) -> Mapping[str, tuple[InputLook, ...]]:
        document = self._store.get_document(self._name)
        return {} if document is None else from_json(_KeptLooks, document).steps
