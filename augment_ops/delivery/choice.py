"""Where to augment: which delivery keeps the trainer busy, by what was measured on this machine.

The choice is a function of the figures alone, which it carries: whoever has it can make it again. Every mode delivers
the same bytes, so that a choice by time changes how long a training takes, and nothing that is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from augment_ops.delivery.meters import IDLE_SHARE
from augment_ops.quantities import milliseconds

Mode = Literal["online", "nearline", "offline"]


@dataclass(frozen=True)
class Rate:
    """What one sample takes of online delivery, nobody training: reading, decoding and mixing included.

    Attributes:
        workers: threads or processes that augment; 0 where the trainer does.
        sample_us: wall time a sample.
    """

    workers: int
    sample_us: float


@dataclass(frozen=True, kw_only=True)
class Shards:
    """What shards of all epochs would be.

    Attributes:
        refused: why there can be none; empty where there can.
        there: whether all of them are in the store.
        size_bytes: of all of them; limit_bytes: what may be written.
        read_us: wall time to read a sample; None where it was not measured, for nobody needed to know.
    """

    refused: str = ""
    there: bool = False
    size_bytes: int = 0
    limit_bytes: int = 0
    read_us: float | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveryMeasured:
    """What was measured on this machine, with the run's own policy, data and network.

    Attributes:
        device: that trains; cores: that this process may use; threads: those that the training computes with.
        step_us: what the trainer takes for a sample whose batch is at hand.
        loops: from the fewest workers on, until they were enough or no core was left.
        tensors_us: what augmenting a sample on that device takes; None where it is no GPU, or the policy cannot be
            applied there.
    """

    device: str
    cores: int
    threads: int
    step_us: float
    loops: tuple[Rate, ...]
    shards: Shards
    tensors_us: float | None = None

    def idle_share(self, rate: Rate) -> float:
        """Share of the wall time in which a trainer of online delivery waits, 0 to 1."""
        if not rate.workers:
            return rate.sample_us / (rate.sample_us + self.step_us)
        # Neither is faster than the slower of the two, nor both together than all cores.
        work = self.step_us * self.threads + rate.sample_us * min(rate.workers, self.cores)
        return 1 - self.step_us / max(self.step_us, rate.sample_us, work / self.cores)

    def keeps_busy(self, rate: Rate) -> bool:
        """Whether that is enough."""
        return self.idle_share(rate) <= IDLE_SHARE

    @property
    def idle_share_of_shards(self) -> float | None:
        """The same of shards, which the trainer reads for itself; None where there are none or nobody measured it."""
        read = self.shards.read_us
        return None if read is None or self.shards.refused else read / (read + self.step_us)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a run augments.

    Attributes:
        mode: as it is carried out.
        workers: of online delivery.
        reason: why, a sentence.
        measured: what it was chosen by; None where there was nothing to measure.
    """

    mode: Mode
    workers: int
    reason: str
    measured: DeliveryMeasured | None = None

    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """What was looked at, for people: where, the time a sample, and the share of time that the trainer waits."""
        found = self.measured
        if found is None:
            return ()
        rows = [(f"trainer on {found.device}", _us(found.step_us), "")]
        for rate in found.loops:
            rows.append((f"online, {_workers(rate.workers)}", _us(rate.sample_us), f"{found.idle_share(rate):.1%}"))
        share, read = found.idle_share_of_shards, found.shards.read_us
        if share is not None and read is not None:
            rows.append(("from shards (nearline, offline)", _us(read), f"{share:.1%}"))
        if found.tensors_us is not None:
            # On the device of the training there is no other time than the training's.
            waits = found.tensors_us / (found.tensors_us + found.step_us)
            rows.append((f"on {found.device}, not offered: {_OTHER_BYTES}", _us(found.tensors_us), f"{waits:.1%}"))
        return tuple(rows)

    def said(self) -> tuple[str, ...]:
        """The choice and its figures, a line each."""
        told = [f"delivery auto: {self.mode}. {self.reason}"]
        for where, took, waits in self.rows():
            told.append(f"  {where}: {took} a sample" + (f", the trainer waits {waits}" if waits else ""))
        return tuple(told)


_OTHER_BYTES = "a GPU rounds otherwise"


def choose(measured: DeliveryMeasured) -> Choice:
    """The delivery that keeps the trainer busy, the plainest first.

    Online with as few workers as are enough; else shards that are in the store already (nearline reads them); else
    shards written before the training, where they fit; else online with the most workers, though the trainer waits.
    """
    best = min(measured.loops, key=measured.idle_share)
    for rate in measured.loops:
        if measured.keeps_busy(rate):
            return Choice(mode="online", workers=rate.workers, reason=_enough(measured, rate), measured=measured)
    waits = f"online, the trainer would wait {measured.idle_share(best):.0%} of its time with {_workers(best.workers)}"
    shards, from_shards = measured.shards, measured.idle_share_of_shards
    busy = from_shards is not None and from_shards <= IDLE_SHARE
    if busy and shards.there:
        reason = f"The shards of all epochs are in the store; {waits}"
        return Choice(mode="nearline", workers=best.workers, reason=f"{reason}.", measured=measured)
    if busy and shards.size_bytes <= shards.limit_bytes:
        reason = f"{_gib(shards.size_bytes)} of shards are written first; {waits}"
        return Choice(mode="offline", workers=best.workers, reason=f"{reason}.", measured=measured)
    reason = f"Nothing keeps this trainer busy: {waits}, and {_no_shards(measured)}."
    return Choice(mode="online", workers=best.workers, reason=reason, measured=measured)


def _enough(measured: DeliveryMeasured, rate: Rate) -> str:
    trains = f"the trainer takes {_us(measured.step_us)} for one on {measured.device}"
    return f"{_workers(rate.workers).capitalize()}: a sample is made in {_us(rate.sample_us)}, and {trains}."


def _no_shards(measured: DeliveryMeasured) -> str:
    shards, waits = measured.shards, measured.idle_share_of_shards
    if shards.refused:
        return f"there are no shards: {shards.refused}"
    if waits is not None and waits > IDLE_SHARE:
        return f"reading shards would let it wait {waits:.0%}"
    return (
        f"shards of all epochs take {_gib(shards.size_bytes)}, where the cache may have {_gib(shards.limit_bytes)} "
        "(cache_gib)"
    )


def _us(value: float) -> str:
    return milliseconds(value / 1e3)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB"


def _workers(number: int) -> str:
    return f"{number or 'no'} worker{'' if number == 1 else 's'}"
