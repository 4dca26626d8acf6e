"""All that one worker augments: what it is asked about, by views, and what `POST /augment` is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

from augment_ops.data.store import Store
from augment_ops.modalities import augmenter
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.policy.spec import Policy
from augment_ops.serving.augment_service import AugmentService, Nearline
from augment_ops.serving.augmentation import AdmittedNow, BreakerChanged
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.breaker import Breaker, BreakerChange, Latency
from augment_ops.serving.epoch_maker import EpochMaker
from augment_ops.serving.epochs import KeptEpochs
from augment_ops.serving.model import ServedModel
from augment_ops.serving.quotas import Quotas
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served, read_probe
from augment_ops.serving.views import Scored, Views

_TRIED = 2  # samples that views are tried on: compiled code is read, and what cannot work shows


class Augmenting:
    """See the module.

    Args:
        home: root of the local state, where quotas are counted.
        store: where the data set lies, and epochs of it are kept.
        said: called after each change of a breaker.
    """

    def __init__(
        self, rules: ServingRules, served: Served, home: Path, store: Store, said: Callable[[BreakerChanged], None]
    ) -> None:
        self._rules, self._said = rules, said
        self._meters = AugmentingMeters(served.dataset)
        self._threads = [AugmentingThread(rules.limits.waiting) for _ in range(3)]
        of_views, self._of_service, reading = self._threads
        self.views: Views | None = None
        self.service: AugmentService | None = None
        self._maker: EpochMaker | None = None
        if rules.test_time is not None:
            self.views = Views(rules.test_time, self._breaker("test-time"), of_views)
        if rules.augment is not None:
            self._protecting = self._breaker("augment")
            quotas = Quotas(quotas_path(home, served.dataset), rules.augment.samples_per_day)
            near = None if rules.augment.nearline is None else KeptEpochs(store, rules.augment.nearline)
            if near is not None:
                self._meters.keeps_epochs()
                self._maker = EpochMaker(
                    near,
                    breaker=self._protecting,
                    thread=self._of_service,
                    quotas=quotas,
                    meters=self._meters,
                    lock=quotas_path(home, served.dataset).with_name("epochs.lock"),
                )
            self.service = AugmentService(
                rules.augment.policies,
                served.environment,
                breaker=self._protecting,
                thread=self._of_service,
                quotas=quotas,
                meters=self._meters,
                nearline=None if near is None or self._maker is None else Nearline(near, self._maker, reading),
            )

    def admit(self, told: AdmittedNow, served: Served) -> None:
        """Augment with these policies from now on, and with no others.

        Raises:
            PolicyError, TransformError: a policy is another one than was admitted, or does not work on these samples.
        """
        policies: dict[str, Policy] = {}
        made: BatchAugmenter | None = None
        try:
            policies = {one.name: one.read() for one in told.policies}
            if self.views is not None and self.views.rules.named in policies:
                found = augmenter(policies[self.views.rules.named], self.views.rules.seed)
                samples = read_probe(served)[0][:_TRIED]
                found(samples, range(len(samples)))
                made = found
        finally:
            if self.views is not None:
                self.views.augmenter = made
            if self.service is not None:
                self.service.policies = policies

    def serves(self, served: Served) -> None:
        """Know which version answers from now on: epochs of another snapshot are made for nobody."""
        if self.service is not None:
            self.service.snapshot = served.snapshot

    async def scores(self, model: ServedModel, samples: Samples, ids: Sequence[str]) -> Scored:
        """The answer for samples (n, *shape) with these ids.

        Raises:
            Overloaded, StoreError: the model does not answer.
        """
        began, busy_s = monotonic(), self._of_service.busy_s
        if self.views is not None:
            found = await self.views(model, samples, ids)
        else:
            found = Scored(*await model(samples))
        if self.service is not None:
            whole_s = monotonic() - began
            self._protecting.beside(Latency(whole_s, min(whole_s, self._of_service.busy_s - busy_s)))
        return found

    def close(self) -> None:
        """Let what is on its way be done; not in the event loop, in which that goes on."""
        if self._maker is not None:
            self._maker.close()
        for thread in self._threads:
            thread.close()

    def _breaker(self, name: str) -> Breaker:
        assert self._rules.breaker is not None  # the rules see to it
        self._meters.begins(name)

        def told(change: BreakerChange) -> None:
            self._meters.changed(name, change.to)
            self._said(BreakerChanged(name, change.to, change.why))

        return Breaker(self._rules.breaker, told, timed=partial(self._meters.timed, name))


def quotas_path(home: Path, dataset: str) -> Path:
    """Where the samples of a service's tokens are counted."""
    return home / "serving" / dataset / "quotas.sqlite"
