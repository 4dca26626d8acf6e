"""Which version a service is to answer with: the champion of an environment, as the ledger has it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from augment_ops.errors import AugmentOpsError, InputError
from augment_ops.governance.audit import Reign, ruling, settled
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.champion import acts_of, champion, environment_with_champion
from augment_ops.lifecycle.datasets import check_known
from augment_ops.serving.laying_out import laid_out
from augment_ops.serving.served import Served
from augment_ops.workspace import Workspace

_CUT_OFF_S = (
    3.0  # an alias follows its entry within a moment; after that the move is completed, as whoever uses it does
)
_AGAIN_S = 10.0  # after a champion that could not be had: MLflow was away, or somebody is mending it


class FollowedChampion:
    """The champion of a data set in one environment.

    Args:
        environment: whose champion; empty for that of the best protected environment that has one.
        say: gets a line where a champion cannot be served; the one before is served on.

    Raises:
        InputError: there is none.
        GovernanceError: MLflow does not show what the ledger says.
    """

    def __init__(self, workspace: Workspace, dataset: str, environment: str, say: Callable[[str], None]) -> None:
        self._workspace, self._dataset, self._say = workspace, dataset, say
        self._book = book_of(workspace)
        check_known(workspace.store, self._book.read(), dataset)
        entries = acts_of(self._book, dataset)
        self.environment = environment_with_champion(entries, dataset, workspace.settings.policies, environment)
        self._reign = ruling(entries, dataset).get(self.environment)
        self._since: float | None = None  # when a move was first seen that is not complete
        self._not_before = 0.0
        self.served = self._laid_out()

    def changed(self) -> Served | None:
        """The champion, where it is another than the one before; asks the ledger, which takes milliseconds."""
        try:
            entries = acts_of(self._book, self._dataset)
            reign = ruling(entries, self._dataset).get(self.environment)
            if reign is None or self._is_served(reign) or monotonic() < self._not_before:
                return None
            if not settled(entries, reign) and not self._waited():
                return None
            found = self._laid_out()
        except (AugmentOpsError, OSError) as error:  # a full disk ends no service
            self._not_before = monotonic() + _AGAIN_S
            self._say(f"version {self.served.version} goes on answering: {error}")
            return None
        self._since, self._reign = None, reign
        if (found.version, found.artifact) == (self.served.version, self.served.artifact):
            return None
        self.served = found
        return found

    def again(self) -> Served | None:
        """The champion laid out anew, after a worker refused it; None where it is another now, or cannot be had."""
        try:
            reign = ruling(acts_of(self._book, self._dataset), self._dataset).get(self.environment)
            if reign is None or not self._is_served(reign):
                return None  # `changed` sees to that
            self.served = self._laid_out()
        except (AugmentOpsError, OSError) as error:
            self._say(f"version {self.served.version} cannot be tried again: {error}")
            return None
        return self.served

    def _is_served(self, reign: Reign) -> bool:
        return self._reign is not None and reign.seq == self._reign.seq

    def _waited(self) -> bool:
        """Whether whoever began the move has had the time to end it."""
        now = monotonic()
        self._since = now if self._since is None else self._since
        return now - self._since >= _CUT_OFF_S

    def _laid_out(self) -> Served:
        found = champion(self._book, self._workspace.tracker, self._dataset, self.environment)
        if found is None:
            fix = f"train one: augment-ops run --dataset-name {self._dataset} --dataset …"
            where = f"champion of {self._dataset} in {self.environment}"
            raise InputError(where, "none", "a promoted model", fix)
        return laid_out(self._workspace, found, self._dataset, self.environment)
