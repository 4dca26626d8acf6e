"""What a worker answers to each address; see docs/serving.md."""

from __future__ import annotations

import asyncio
import re
import traceback
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from augment_ops import __version__
from augment_ops.errors import AugmentOpsError, Fault, InputError
from augment_ops.modalities.source import Samples
from augment_ops.serving import openapi, protocol
from augment_ops.serving.access import Rates, Scope, Tokens
from augment_ops.serving.augment_request import read_asked
from augment_ops.serving.augmenting import Augmenting
from augment_ops.serving.batching import Computed, Overloaded
from augment_ops.serving.bodies import read_body, samples_of
from augment_ops.serving.challenger import Challenger, Posed, ServedAnswer
from augment_ops.serving.headers import (
    AUGMENTATION_HEADER,
    DECISION_HEADER,
    REQUEST_HEADER,
    ROLLOUT_HEADER,
    SUBJECT_HEADER,
    VERSION_HEADER,
)
from augment_ops.serving.labels import AnswerLabels, LabelledError
from augment_ops.serving.meters import ServingMeters
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.recording import Answered, Recorder
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.traces import Handler, Traces
from augment_ops.tracking.values import classifier_name

_ID = re.compile(r"[\x21-\x7e]{1,200}")  # what a log file, a header and a metric take as they are
_ANYBODY = "anybody"
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_PAGE = {**_SAFE, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_LATER = {"Retry-After": "1"}  # a batch takes milliseconds: whoever comes again in a second finds another queue


@dataclass(kw_only=True)
class Service:
    """What the answers of a worker come from.

    Attributes:
        model: the champion, which answers; another takes its place while requests are answered.
        challenger: what answers some of them while a rollout runs.
        traces: spans of what is asked and labelled; None where nobody wants them.
        open_hosts: names under which it answers without a token while none was given out; empty for no name.
    """

    model: ServedModel
    rules: ServingRules
    tokens: Tokens
    recorder: Recorder
    labels: AnswerLabels
    meters: ServingMeters
    augmenting: Augmenting
    traces: Traces | None = None
    open_hosts: tuple[str, ...] = ()
    challenger: Challenger | None = None
    labelling: asyncio.Lock = field(default_factory=asyncio.Lock)


def application(service: Service) -> Starlette:
    """The ASGI application of a worker."""
    answers = _Handlers(service)
    hosts = [Middleware(TrustedHostMiddleware, allowed_hosts=list(service.open_hosts), www_redirect=False)]
    return Starlette(
        routes=answers.routes(),
        middleware=hosts if service.open_hosts else [],
        exception_handlers={HTTPException: _no_such},
    )


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # of the routes: another address, another method
    return Problem(HTTPStatus(error.status_code), "see /openapi.json", headers=dict(error.headers or {})).response()


class _Handlers:
    """Handlers by address."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rates = Rates(_share(service.rules))

    def routes(self) -> list[Route]:
        """Of the Open Inference Protocol, and of ours."""
        post: list[tuple[str, Handler, Scope]] = [
            ("/predict", self.predict, "predict"),
            ("/v2/models/{model}/infer", self.infer, "predict"),
            ("/v2/models/{model}/versions/{version}/infer", self.infer, "predict"),
            ("/labels", self.label, "label"),
        ]
        if self._service.augmenting.service is not None:
            post.append(("/augment", self.augment, "augment"))
        get: list[tuple[str, Handler, Scope | None]] = [
            ("/v2/health/live", self.alive, None),
            ("/v2/health/ready", self.alive, None),
            ("/v2", self.server, None),
            ("/v2/models/{model}", self.metadata, None),
            ("/v2/models/{model}/versions/{version}", self.metadata, None),
            ("/v2/models/{model}/ready", self.ready, None),
            ("/v2/models/{model}/versions/{version}/ready", self.ready, None),
            ("/openapi.json", self.openapi, None),
            ("/", self.page, None),
            ("/metrics", self.metrics, "admin"),
        ]
        return [Route(path, self._traced(path, of, scope), methods=["POST"]) for path, of, scope in post] + [
            Route(path, self._guarded(path, of, scope), methods=["GET"]) for path, of, scope in get
        ]

    async def predict(self, request: Request) -> Response:
        """Samples in files or JSON."""
        limits, id_ = self._service.rules.limits, _id_of(request.headers.get(REQUEST_HEADER, ""))
        body = await read_body(request, limits)
        with self._service.model.in_use() as model:
            samples = await samples_of(body, request.headers.get("content-type", ""), model.requests, limits)
            answer = await self._answer(request, model, samples, id_)
        predictions = _predictions(answer.model, answer.scored.scores)
        document = {"id": id_, "model_version": answer.model.served.version, "predictions": predictions}
        return JSONResponse(document, headers=_of_answer(answer, id_))

    async def infer(self, request: Request) -> Response:
        """Tensors."""
        body = await read_body(request, self._service.rules.limits)
        model = self._named(request)
        asked = protocol.read_request(body, request.headers.get(protocol.HEADER_LENGTH), self._interface(model))
        id_ = _id_of(asked.id or request.headers.get(REQUEST_HEADER, ""))
        with model.in_use():
            answer = await self._answer(request, model, asked.samples, id_)
        served, name = answer.model.served, classifier_name(model.served.dataset)
        content, length = protocol.write_response(
            asked, name, served.version, id_, served.classes, answer.scored.scores
        )
        headers = _of_answer(answer, id_)
        if length is None:
            return Response(content, headers=headers, media_type="application/json")
        headers[protocol.HEADER_LENGTH] = str(length)
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def augment(self, request: Request) -> Response:
        """Samples augmented."""
        service, limits = self._service.augmenting.service, self._service.rules.limits
        assert service is not None  # of the routes
        body, length = await read_body(request, limits), request.headers.get(protocol.HEADER_LENGTH)
        with self._service.model.in_use() as model:
            interface = self._interface(model)
            asked = await read_asked(body, length, model, limits, interface, service.splits)
            response = await service(asked, request.state.token, model, interface)
        response.headers.update(_SAFE)
        return response

    async def label(self, request: Request) -> Response:
        """Labels of answers."""
        asked = protocol.read_json(await read_body(request, self._service.rules.limits))
        labels, replace = asked.get("labels"), asked.get("replace", False)
        if not isinstance(labels, dict) or not all(isinstance(one, str) for one in labels.values()):
            raise InputError(
                "labels", type(labels).__name__, "an object: sample id → class, texts both", "see /openapi.json"
            )
        async with self._service.labelling:
            new = await asyncio.to_thread(self._service.labels.take, labels, replace=replace is True)
        return JSONResponse({"taken": new, "known": len(labels) - new}, headers=dict(_SAFE))

    async def alive(self, request: Request) -> Response:
        """A worker listens once its model has answered as it did when it was judged: so it is ready."""
        return JSONResponse({"live": True, "ready": True}, headers=_told(self._service.model))

    async def ready(self, request: Request) -> Response:
        """Whether this model answers."""
        model = self._named(request)
        name = classifier_name(model.served.dataset)
        return JSONResponse({"name": name, "ready": True}, headers=_told(model))

    async def server(self, request: Request) -> Response:
        """Metadata of the server."""
        return JSONResponse({"name": "augment-ops", "version": __version__, "extensions": protocol.EXTENSIONS})

    async def metadata(self, request: Request) -> Response:
        """Metadata of the model."""
        model = self._named(request)
        document = {
            "name": classifier_name(model.served.dataset),
            "versions": [model.served.version],
            "platform": f"augment-ops_{model.served.model_format}",
            "inputs": self._interface(model).inputs(),
            "outputs": protocol.outputs(len(model.served.classes)),
            "parameters": {"classes": list(model.served.classes), "decision": model.served.decision},
        }
        return JSONResponse(document, headers=_told(model))

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        model = self._service.model
        return JSONResponse(
            openapi.document(model, self._interface(model), self._service.rules.augment), headers=dict(_SAFE)
        )

    async def page(self, request: Request) -> Response:
        """The same for people."""
        model = self._service.model
        return HTMLResponse(
            openapi.page(model, self._interface(model), self._service.rules.augment), headers=dict(_PAGE)
        )

    async def metrics(self, request: Request) -> Response:
        """Of all workers."""
        accept = request.headers.get("accept", "")
        content, media_type = await asyncio.to_thread(self._service.meters.shown, accept)
        return Response(content, headers={**_SAFE, "Vary": "Accept"}, media_type=media_type)

    async def _answer(self, request: Request, model: ServedModel, samples: Samples, id_: str) -> ServedAnswer:
        """The answer of the champion, or of the challenger where the request is assigned to it; it is logged.

        A request that names a version has that one's answer.
        """
        ids = [id_] if len(samples) == 1 else [f"{id_}/{row}" for row in range(len(samples))]
        posed = Posed(request=id_, subject=_subject_of(request), ids=ids, samples=samples)
        challenger = None if "version" in request.path_params else self._service.challenger
        try:
            if challenger is not None:
                answer = await challenger.answer(model, posed)
            else:
                answer = ServedAnswer(model=model, scored=await self._service.augmenting.scores(model, samples, ids))
        except Overloaded:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many samples wait", headers=dict(_LATER)) from None
        except AugmentOpsError as error:
            raise Problem.of(HTTPStatus.INTERNAL_SERVER_ERROR, error) from error
        answered = Answered(
            served=answer.model.served,
            request=id_,
            ids=ids,
            at=datetime.now(UTC),
            samples=samples,
            scores=answer.scored.scores,
        )
        self._service.recorder.offer(answered)
        request.state.computed = answer.scored.computed
        return answer

    def _named(self, request: Request) -> ServedModel:
        """The model that an address names.

        Raises:
            Problem: another one.
        """
        model, asked = self._service.model, request.path_params
        name, version = classifier_name(model.served.dataset), model.served.version
        if asked["model"] != name or asked.get("version", version) != version:
            fault = Fault(
                "model", "/".join(asked.values())[:80], f"{name}, version {version}", "ask for what is served"
            )
            raise Problem(HTTPStatus.NOT_FOUND, faults=[fault])
        return model

    def _interface(self, model: ServedModel) -> protocol.Interface:
        limit = self._service.rules.limits.samples
        return protocol.Interface(shape=model.served.shape, dtype=model.kind.codec.dtype, limit=limit)

    def _traced(self, route: str, handler: Handler, scope: Scope) -> Handler:
        guarded, traces = self._guarded(route, handler, scope), self._service.traces
        return guarded if traces is None else traces.around(route, guarded)

    def _guarded(self, route: str, handler: Handler, scope: Scope | None) -> Handler:
        """What answers to a request: measured, with a problem in place of whatever is raised."""
        meters = self._service.meters

        async def answer(request: Request) -> Response:
            began = monotonic()
            try:
                self._admit(request, scope)
                response = await handler(request)
            except Problem as problem:
                response = problem.response()
            except LabelledError as error:
                response = Problem.of(HTTPStatus.CONFLICT, error).response()
            except InputError as error:
                response = Problem.of(HTTPStatus.BAD_REQUEST, error).response()
            except AugmentOpsError as error:
                response = Problem.of(HTTPStatus.SERVICE_UNAVAILABLE, error).response()
            except Exception:
                traceback.print_exc()  # for who runs the service; whoever asks is told nothing of it
                response = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the service").response()
            version = response.headers.get(VERSION_HEADER, "")
            took = monotonic() - began
            meters.request(route, version, response.status_code, took)
            computed: Computed | None = getattr(request.state, "computed", None)
            if computed is not None:
                in_model = f"model;dur={computed.seconds * 1e3:.3f}"
                response.headers["Server-Timing"] = f"total;dur={took * 1e3:.3f}, {in_model}"
            return response

        return answer

    def _admit(self, request: Request, scope: Scope | None) -> None:
        """Let those in who may ask for this.

        Raises:
            Problem: no token, one that is not known or not for this, or too many requests of it.
        """
        if scope is None:
            return
        tokens = self._service.tokens
        name = _ANYBODY
        if tokens.in_force or not self._service.open_hosts:
            kind, _, secret = request.headers.get("authorization", "").partition(" ")
            token = tokens.of(secret) if kind.lower() == "bearer" else None
            if token is None:
                headers = {"WWW-Authenticate": "Bearer"}
                raise Problem(HTTPStatus.UNAUTHORIZED, "send a token: Authorization: Bearer …", headers=headers)
            if scope not in token.scopes:
                raise Problem(HTTPStatus.FORBIDDEN, f"the token {token.name} is not for {scope}")
            name = token.name
        request.state.token = name
        if not self._rates.take(name):
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "more requests than this token may make", headers=dict(_LATER))


def _share(rules: ServingRules) -> float | None:
    """Requests a second of a token in one of the workers."""
    asked = rules.limits.requests_per_s
    return None if asked is None else asked / rules.processes


def _id_of(given: str) -> str:
    """The id of a request: the client's, or one that begins with the moment.

    Raises:
        InputError: an id that is none.
    """
    if not given:
        return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:12]}"
    if not _ID.fullmatch(given) or "/" in given:
        expected = "up to 200 visible characters of ASCII, and no slash"
        raise InputError("id of the request", repr(given)[:80], expected, "leave it out, or send another")
    return given


def _subject_of(request: Request) -> str:
    """Whom a request is about, by whom rollouts may assign it; empty where nobody is named.

    Raises:
        InputError: what is named cannot be written down.
    """
    given = request.headers.get(SUBJECT_HEADER, "")
    if given and not _ID.fullmatch(given):
        expected = "up to 200 visible characters of ASCII"
        raise InputError(SUBJECT_HEADER, repr(given)[:80], expected, "leave it out, or send another")
    return given


def _told(model: ServedModel, id_: str = "") -> dict[str, str]:
    headers = {**_SAFE, VERSION_HEADER: model.served.version, DECISION_HEADER: model.served.decision}
    return {**headers, REQUEST_HEADER: id_} if id_ else headers


def _of_answer(answer: ServedAnswer, id_: str) -> dict[str, str]:
    headers = _told(answer.model, id_)
    if answer.scored.said:
        headers[AUGMENTATION_HEADER] = answer.scored.said
    return {**headers, ROLLOUT_HEADER: f"{answer.rollout}; arm={answer.arm}"} if answer.arm else headers


def _predictions(model: ServedModel, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    classes = model.served.classes
    return [
        {"label": classes[int(row.argmax())], "probabilities": dict(zip(classes, row.tolist(), strict=True))}
        for row in scores
    ]
