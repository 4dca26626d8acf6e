"""One process that answers: `python -m augment_ops.serving.worker LISTENING CONTROL`, both descriptors of sockets.

`supervisor.py` starts it. It answers once its model has answered as it did when it was judged; it ends, with what is on
its way answered and logged, when its side of the control socket closes, however the supervisor has ended.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import uvicorn
import uvloop

from augment_ops.errors import AugmentOpsError
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.application import Service, application
from augment_ops.serving.augmentation import AdmittedNow
from augment_ops.serving.augmenting import Augmenting
from augment_ops.serving.background import Background
from augment_ops.serving.challenger import Challenger
from augment_ops.serving.comparing import Compared, comparer
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.labels import AnswerLabels
from augment_ops.serving.messages import Begin, ChallengerFails, Order, Refuses, Serve, Serves, Tls, Told
from augment_ops.serving.meters import ServingMeters
from augment_ops.serving.model import ServedModel
from augment_ops.serving.recording import Recorder, rehearse
from augment_ops.serving.rollout_meters import ChallengerMeters
from augment_ops.serving.served import Served
from augment_ops.serving.traces import traces_of
from augment_ops.workspace import log_uri, open_store

_KEEP_ALIVE_S = 75  # as long as the usual proxies keep a connection that nothing comes over

# What the thread that answers waits at most for one that writes or decodes, which else may go on for 5 ms each time.
_SWITCH_S = 0.0005

_SHADOWS = 4  # batches that may wait for a challenger in the shadow


def main(listening: int, control: int) -> None:
    """Answer until the supervisor lets go."""
    with Connection(control) as connection, socket.socket(fileno=listening) as accepting:
        begin: Begin = connection.recv()
        sys.setswitchinterval(_SWITCH_S)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Answering(connection, begin).run(accepting))


class _Answering:
    """See the module."""

    def __init__(self, connection: Connection, begin: Begin) -> None:
        self._connection, self._begin = connection, begin
        self._meters = ServingMeters(begin.served.dataset)
        self._changing = asyncio.Lock()
        self._wanted: Serve | None = None  # the last that was told; it may still be loading
        self._exposure: Exposure | None = None  # the last that was told; the challenger may still be loading
        self._comparer: Background[Compared] | None = None  # from the first rollout on
        self._admitting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, accepting: socket.socket) -> None:
        """Load, say so, answer, and end with all answered."""
        try:
            model = await self._loaded(self._begin.served)
        except (AugmentOpsError, OSError) as error:
            self._say(Refuses(self._begin.served.version, str(error)))
            return
        await asyncio.to_thread(self._rehearse)
        begin = self._begin
        store = open_store(begin.settings)
        self._augmenting = Augmenting(begin.rules, begin.served, begin.settings.home, store, self._say)
        await self._admit(self._begin.augmentation)
        self._service = service = self._service_of(model)
        self._server = uvicorn.Server(self._config(service))
        # What was imported stays: a collection that looks at all of it takes a tenth of a second, in which nobody is
        # answered. What goes later goes with its last reference.
        gc.collect()
        gc.freeze()
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._hear)
        self._tell(model, before="")
        self._expose(self._begin.exposure)
        await self._server.serve([accepting])
        self._expose(None)
        await asyncio.to_thread(service.recorder.close)  # before the models: one that hangs keeps nothing from the log
        await asyncio.gather(*self._tasks)
        await service.model.close()
        await asyncio.to_thread(self._augmenting.close)
        if service.traces is not None:
            await asyncio.to_thread(service.traces.close)
        if self._comparer is not None:
            await asyncio.to_thread(self._comparer.close)

    def _rehearse(self) -> None:
        try:
            rehearse(self._begin.served, self._begin.rules.log)
        except Exception:  # answers do not depend on the log
            traceback.print_exc()

    def _service_of(self, model: ServedModel) -> Service:
        begin, dataset = self._begin, model.served.dataset
        log = PredictionLog(log_uri(begin.settings), dataset, open_store(begin.settings), model.served.modality)
        return Service(
            model=model,
            rules=begin.rules,
            tokens=Tokens(tokens_path(begin.settings.home)),
            recorder=Recorder(log, begin.rules.log, self._meters.lost),
            labels=AnswerLabels(log),
            meters=self._meters,
            augmenting=self._augmenting,
            traces=traces_of(dataset, self._meters.unsent, _complain),
            open_hosts=begin.open_hosts,
        )

    def _config(self, service: Service) -> uvicorn.Config:
        return uvicorn.Config(
            application(service),
            http="httptools",
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(self._begin.rules.drain_s)),
            **_tls(self._begin.tls),
        )

    async def _loaded(self, served: Served) -> ServedModel:
        """A version that has answered as it did when it was judged; see `ServedModel`."""

        def told(samples: int, seconds: float) -> None:
            self._meters.batch(served.version, samples, seconds)

        rules = self._begin.rules
        return await asyncio.to_thread(ServedModel, served, rules.batch, rules.limits, told)

    def _hear(self) -> None:
        """What the supervisor says; where it has gone, this ends as well."""
        try:
            message: Order = self._connection.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._server.should_exit = True
            return
        if isinstance(message, Serve):
            self._wanted = message
            self._do(self._change(message))
        elif isinstance(message, AdmittedNow):
            self._do(self._admit(message))
        else:
            self._expose(message.exposure)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        """Begin what ends before the worker does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, told: Serve) -> None:
        """Put another version in the place of the present one, which ends when nobody waits for it any more.

        Where another was told meanwhile, this one never answers.
        """
        served = told.served
        async with self._changing:
            if told is not self._wanted:
                return
            challenger = self._service.challenger
            if served == self._service.model.served:  # it was told another meanwhile, and goes on
                self._say(Serves(served.version))
                return
            if challenger is not None and challenger.model.served == served:  # it has won
                self._service.challenger, model = None, challenger.model
            else:
                try:
                    model = await self._loaded(served)
                except (AugmentOpsError, OSError) as error:
                    self._say(Refuses(served.version, str(error)))
                    return
            if told is self._wanted:
                leaves, self._service.model = self._service.model, model
                self._tell(model, before=leaves.served.version)
            else:
                leaves = model
        await leaves.close()

    def _expose(self, exposure: Exposure | None) -> None:
        """Ask a challenger as far as its rollout has come; from this moment on nobody else's."""
        self._exposure, present = exposure, self._service.challenger
        if present is not None and exposure is not None and present.exposure.rollout == exposure.rollout:
            present.exposure = exposure
            return
        if present is not None:
            self._service.challenger = None
            self._do(present.close())
        if exposure is not None:
            self._do(self._challenge(exposure))

    async def _challenge(self, exposure: Exposure) -> None:
        """Load a challenger, and ask it from then on where its rollout still runs."""
        async with self._changing:
            if not self._is_awaited(exposure):
                return
            try:
                model = await self._loaded(exposure.challenger)
            except (AugmentOpsError, OSError) as error:
                self._say(ChallengerFails(exposure.rollout, str(error)))
                return
            if self._is_awaited(exposure):
                assert self._exposure is not None
                self._service.challenger = self._challenger(model, self._exposure)
                return
        await model.close()

    def _is_awaited(self, exposure: Exposure) -> bool:
        """Whether the challenger of a rollout, whose step may have changed meanwhile, is to answer and does not yet."""
        wanted = self._exposure is not None and self._exposure.rollout == exposure.rollout
        return wanted and self._service.challenger is None

    def _challenger(self, model: ServedModel, exposure: Exposure) -> Challenger:
        def fails(exposure: Exposure, why: str) -> None:
            self._say(ChallengerFails(exposure.rollout, why))

        if self._comparer is None:
            begin, dataset = self._begin, model.served.dataset
            self._comparer = comparer(
                log_uri(begin.settings),
                dataset,
                most=begin.rules.log.queue_bytes,
                flush_s=exposure.rules.flush_s,
                lost=lambda samples, reason: self._meters.lost(samples, f"comparison {reason}"),
            )
        counted = ChallengerMeters(model.served.dataset, model.served.version)
        most = _SHADOWS * self._begin.rules.batch.max_samples
        return Challenger(model, exposure, self._augmenting.scores, self._comparer, counted, most, fails)

    async def _admit(self, told: AdmittedNow) -> None:
        """Augment with what is admitted; where that cannot be done, with nothing, which is told."""
        async with self._admitting:
            try:
                await asyncio.to_thread(self._augmenting.admit, told, self._begin.served)
            except (AugmentOpsError, OSError) as error:
                self._say(Refuses("", str(error)))

    def _tell(self, model: ServedModel, *, before: str) -> None:
        self._meters.serves(model.served.version, before)
        self._augmenting.serves(model.served)
        self._say(Serves(model.served.version))

    def _say(self, message: Told) -> None:
        with suppress(OSError):  # the supervisor has gone: this process ends as well, and nobody is to be told
            self._connection.send(message)


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _tls(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    asked = {"ssl_ca_certs": tls.clients, "ssl_cert_reqs": ssl.CERT_REQUIRED} if tls.clients else {}
    return {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key, **asked}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
