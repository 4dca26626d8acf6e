"""A service: workers that answer on one socket, kept alive, and told when another version is champion."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from time import monotonic
from types import FrameType

from augment_ops.delivery.nearline import ShardCache
from augment_ops.errors import AugmentOpsError, ServiceError
from augment_ops.serving import meters
from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.augmentation import AdmittedNow, BreakerChanged
from augment_ops.serving.exposition import FOLDER
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.followed import Followed, FollowedPolicies, Rolling
from augment_ops.serving.kept_alive import KeptAlive
from augment_ops.serving.listening import Offer, listening_socket, open_hosts
from augment_ops.serving.messages import Begin, ChallengerFails, Expose, Order, Refuses, Serve, Serves, Told
from augment_ops.serving.refusals import Refusals
from augment_ops.serving.retention import for_so_long, forget, too_old
from augment_ops.serving.served import Served
from augment_ops.serving.supervisor_meters import SupervisorMeters
from augment_ops.settings import Settings
from augment_ops.workspace import log_uri, open_store

_READY_S = 180.0  # until the workers answer: libraries take seconds to import, a minute on a machine that swaps
_WELL_S = 30.0  # a worker that lived so long did not end for what it was started with
_LONGEST_S = 30.0  # between two starts of a worker that ends again and again
_FORGET_S = 3600.0  # between two looks for what is too old


@dataclass(eq=False)
class _Started:
    process: subprocess.Popen[bytes]
    connection: Connection
    since: float = field(default_factory=monotonic)
    version: str = ""


class Supervisor:
    """Serves until `stop`.

    Args:
        followed: what is to answer.
        rolling: the rollouts of the same; None for none.
        say: gets a line for people.
        admitted: what they may augment with; None for nothing.

    Raises:
        InputError: an address that cannot be listened on, or that others reach while no token was given out.
    """

    def __init__(
        self,
        settings: Settings,
        asked: Offer,
        followed: Followed,
        say: Callable[[str], None],
        rolling: Rolling | None = None,
        admitted: FollowedPolicies | None = None,
    ) -> None:
        self._settings, self._asked, self._followed, self._say = settings, asked, followed, say
        self._admitted = admitted
        self._rolling, self._driver = rolling, KeptAlive(say)
        self._exposure: Exposure | None = None  # the last that the workers were told
        self._open_hosts = open_hosts(asked, Tokens(tokens_path(settings.home)))
        self._served = followed.served  # what a worker that is started again begins with
        self._accepting = listening_socket(asked)
        self._metrics = meters.folder_of(settings.home, asked.dataset)
        self._workers: list[_Started | None] = [None] * asked.rules.processes
        self._again = [0.0] * asked.rules.processes  # not started again before
        self._pause_s = [0.0] * asked.rules.processes
        self._meters = SupervisorMeters(self._metrics, asked.dataset, say)
        self._refusals = Refusals(asked.rules.follow_s, self._meters.refused)
        self._looked = monotonic()  # for what is to be followed
        self._stopping = False

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._accepting.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' if self._asked.tls else ''}://{shown}:{port}/"

    def run(self, ready: Callable[[str, Served], None]) -> None:
        """Serve until `stop` is called, or the process is told to end.

        Args:
            ready: told the address and what is served, once all workers answer.

        Raises:
            ServiceError: the workers do not come to answer.
        """
        self._metrics.mkdir(parents=True, exist_ok=True)
        self._meters.begins(len(self._workers))
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._begin(ready)
            self._looked, forgotten = monotonic(), -_FORGET_S
            while not self._stopping:
                for refusal in self._hear(self._asked.rules.follow_s):
                    self._say(refusal.why)
                self._restart()
                if self._is_time():
                    self._follow()
                    self._follow_champion()
                if monotonic() - forgotten >= _FORGET_S:
                    forgotten = monotonic()
                    self._forget()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End, with what is on its way answered; safe in a handler of signals."""
        self._stopping = True

    def close(self) -> None:
        """Listen no longer; for who does not `run` it."""
        self._accepting.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stop()

    def _begin(self, ready: Callable[[str, Served], None]) -> None:
        for place in range(len(self._workers)):
            self._start(place)
        until = monotonic() + _READY_S
        while not self._stopping and not all(one is not None and one.version for one in self._workers):
            refused = self._hear(0.2)
            ended = [one for one in self._workers if one is not None and one.process.poll() is not None]
            if refused or ended or monotonic() > until:
                found = refused[0].why if refused else "a worker ended" if ended else f"no answer in {_READY_S:g} s"
                fix = "look at what it wrote to standard error, above"
                raise ServiceError(f"service of {self._asked.dataset}", found, "workers that answer", fix)
        if not self._stopping:
            ready(self.address, self._served)

    def _start(self, place: int) -> None:
        ours, theirs = socket.socketpair()
        listening = self._accepting.fileno()
        environment = {**os.environ, FOLDER: str(self._metrics)}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "augment_ops.serving.worker", str(listening), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=(listening, theirs.fileno()),
                start_new_session=True,  # Ctrl-C is for this process, which lets the workers end
            )
        worker = _Started(process, Connection(ours.detach()))
        self._workers[place] = worker
        with suppress(OSError):  # it ended at once; `_restart` sees to that
            worker.connection.send(
                Begin(
                    settings=self._settings,
                    rules=self._asked.rules,
                    served=self._served,
                    open_hosts=self._open_hosts,
                    tls=self._asked.tls,
                    exposure=self._exposure,
                    augmentation=AdmittedNow() if self._admitted is None else self._admitted.augmentation,
                )
            )

    def _hear(self, seconds: float) -> list[Refuses]:
        """What workers say within some seconds; the refusals."""
        by_connection = {one.connection: one for one in self._workers if one is not None}
        refused = []
        for connection in wait(list(by_connection), seconds) if by_connection else ():
            worker = by_connection[connection]  # type: ignore[index]
            try:
                message: Told = worker.connection.recv()
            except (EOFError, OSError):
                worker.process.wait()  # it closes its side when it ends
                continue
            if isinstance(message, Serves):
                worker.version = message.version
            elif isinstance(message, ChallengerFails):
                self._end_rollout(message)
            elif isinstance(message, BreakerChanged):
                self._say(message.told)
            else:
                refused.append(message)
        return refused

    def _restart(self) -> None:
        """Start workers again that ended, each time later where they end soon."""
        now = monotonic()
        for place, worker in enumerate(self._workers):
            if worker is not None and worker.process.poll() is not None:
                worker.connection.close()
                meters.ended(self._metrics, worker.process.pid)
                self._meters.restarted()
                lived = now - worker.since
                self._pause_s[place] = 0.0 if lived >= _WELL_S else min(_LONGEST_S, 2 * self._pause_s[place] + 0.5)
                self._workers[place], self._again[place] = None, now + self._pause_s[place]
                self._say(
                    f"a worker ended after {lived:.0f} s with code {worker.process.returncode}; it is started again"
                )
            if self._workers[place] is None and now >= self._again[place]:
                self._start(place)

    def _is_time(self) -> bool:
        """Whether to look again for what is to be followed."""
        if monotonic() - self._looked < self._asked.rules.follow_s:
            return False
        self._looked = monotonic()
        return True

    def _follow(self) -> None:
        """Have the workers do what the ledger says of rollouts and policies: each is a moment's work for them."""
        exposure = None if self._rolling is None else self._rolling.now()
        if exposure is not None or not self._has_won():
            self._expose(exposure)
        found = None if self._admitted is None else self._admitted.changed()
        if found is not None:
            self._order(found)
        self._driver.keep(None if self._rolling is None else self._rolling.driver)

    def _has_won(self) -> bool:
        """Whether the challenger that is asked has become champion: it goes on until it answers as that."""
        return self._rolling is not None and self._exposure is not None and self._rolling.has_won(self._exposure)

    def _follow_champion(self) -> None:
        """Have the workers answer with another champion; where one of them does not, all go on with the one before."""
        found = self._followed.changed() or self._refused_one()
        if found is not None:
            self._change(self._served, found)
        if self._has_won() and self._exposure is not None and self._served == self._exposure.challenger:
            self._expose(None)

    def _change(self, before: Served, found: Served) -> None:
        refused = self._tell(found)
        if not refused:
            self._say(self._changed(before))
            return
        while refused and self._served.version != before.version:  # a newer one may come and be refused meanwhile
            self._say(self._refused(before, refused[0]))
            refused = self._tell(before)
        for refusal in refused:
            self._say(refusal.why)
        if self._served.version != before.version:
            self._say(self._changed(before))

    def _refused(self, before: Served, refusal: Refuses) -> str:
        """The version that was told last is tried again later; a line for people."""
        version, pause_s = self._served.version, self._refusals.note(self._served.version)
        again = f"version {version} is tried again in {pause_s:.0f} s"
        return f"version {before.version} goes on answering: {refusal.why}; {again}"

    def _changed(self, before: Served) -> str:
        """Another version answers; a line for people."""
        self._refusals.forget()
        if self._served.version == before.version:
            return f"version {before.version} goes on answering: it is champion again"
        return f"version {self._served.version} answers, in place of {before.version}"

    def _expose(self, exposure: Exposure | None) -> None:
        """Have the workers ask a challenger as far as its rollout has come; they do at once, or when it is loaded."""
        if exposure == self._exposure:
            return
        before, self._exposure = self._exposure, exposure
        self._order(Expose(exposure))
        if exposure is not None:
            version, rules, step = exposure.challenger.version, exposure.rules, exposure.now
            self._say(f"rollout {exposure.rollout} of version {version}, rules {rules.name}: step {step.name}")
        elif before is not None:
            self._say(f"rollout {before.rollout} of version {before.challenger.version} is over here")

    def _end_rollout(self, message: ChallengerFails) -> None:
        """Take a challenger that fails in one worker from all of them, and say so to all replicas."""
        exposure = self._exposure
        if self._rolling is None or exposure is None or exposure.rollout != message.rollout:
            return  # another worker has said so already
        self._expose(None)
        self._rolling.fails(exposure, message.why)

    def _order(self, order: Order) -> list[_Started]:
        """Tell all workers; those that were told."""
        told = [one for one in self._workers if one is not None]
        for worker in told:
            with suppress(OSError):  # it has ended; `_restart` sees to that
                worker.connection.send(order)
        return told

    def _refused_one(self) -> Served | None:
        """The version that should answer, where a worker refused it and it is to be tried again now."""
        if not self._refusals.due:
            return None
        self._refusals.postpone()
        return self._followed.again()

    def _tell(self, served: Served) -> list[Refuses]:
        """Have all workers answer with a version, and wait until they do; the refusals.

        What may not wait is followed meanwhile. Where another version is champion by then, that one is told.
        """
        asked, until = self._ask(served), monotonic() + _READY_S
        refused: list[Refuses] = []
        while monotonic() < until and not self._stopping:
            version = self._served.version
            waiting = [one for one in asked if one.process.poll() is None and one.version != version]
            if not waiting or refused:
                break
            for refusal in self._hear(0.2):
                if refusal.version == version:
                    refused.append(refusal)
                else:  # of policies, or of a version that is not asked for any more
                    self._say(refusal.why)
            if self._is_time():
                self._follow()
                newer = None if refused else self._followed.changed()
                if newer is not None:
                    asked, until = self._ask(newer), monotonic() + _READY_S
        return refused

    def _ask(self, served: Served) -> list[_Started]:
        """Tell all workers to answer with a version; those that were told."""
        self._served = served
        self._say(f"workers are asked to answer with version {served.version}")
        return self._order(Serve(served))

    def _forget(self) -> None:
        """Delete what is too old; a store or a log that is away is no reason to end what answers."""
        for look in (self._forget_answers, self._forget_epochs):
            try:
                look()
            except (AugmentOpsError, OSError) as error:
                self._say(f"what is too old could not be deleted, and is looked for again in an hour: {error}")

    def _forget_answers(self) -> None:
        days = self._asked.rules.log.retention_days
        if days is not None:
            gone = forget(log_uri(self._settings), self._asked.dataset, too_old(days))
            if gone:
                self._say(f"deleted {gone} files of the prediction log that are older than {for_so_long(days)}")

    def _forget_epochs(self) -> None:
        augment = self._asked.rules.augment
        near = None if augment is None else augment.nearline
        if near is None:
            return
        store = open_store(self._settings)
        if near.retention_days is not None:
            cache = ShardCache(store, near.space_bytes)
            gone = cache.forget(too_old(near.retention_days).timestamp())
            if gone:
                said = for_so_long(near.retention_days)
                self._say(f"deleted {gone} epochs that nobody asked for in {said}")
        store.forget_copies()

    def _end(self) -> None:
        """Let the workers answer what is on its way; end those that do not end."""
        self.close()
        self._driver.close()
        left = [one for one in self._workers if one is not None]
        for worker in left:
            worker.connection.close()
        until = monotonic() + self._asked.rules.drain_s + 5
        for worker in left:
            try:
                worker.process.wait(max(0.1, until - monotonic()))
            except subprocess.TimeoutExpired:
                # macOS refuses a signal to a group of nothing but a process that has ended (EPERM).
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
        shutil.rmtree(self._metrics, ignore_errors=True)
