"""The OpenAPI document of a service, for its own model, and a page of it that needs nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from augment_ops import __version__
from augment_ops.serving.augmenting_rules import AugmentRules
from augment_ops.serving.model import ServedModel
from augment_ops.serving.protocol import Interface, outputs
from augment_ops.tracking.values import classifier_name

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ERRORS = {
    "400": "no JSON, or not of this form",
    "401": "no token, or one that is not known",
    "403": "a token that is not for this",
    "413": "a body that is too large",
    "422": "samples that the model does not take",
    "429": "too many requests, or augmented samples, of this token",
    "500": "the model does not answer for these samples",
    "503": "too many requests wait, or augmentation is off for a while",
}


def document(model: ServedModel, interface: Interface, augment: AugmentRules | None) -> dict[str, Any]:
    """The OpenAPI document, version 3.1.

    Args:
        augment: what may be augmented; None for nothing.
    """
    served, requests = model.served, model.requests
    name = classifier_name(served.dataset)
    files = {media: {"schema": {"type": "string", "format": "binary"}} for media in requests.media}
    samples = {
        "type": "array",
        "minItems": 1,
        "maxItems": interface.limit,
        "items": {"description": f"a sample: {requests.form}"},
    }
    listed = {"type": "object", "required": ["samples"], "properties": {"samples": samples}}
    tensor = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": {"type": "string"}, "inputs": {"const": interface.inputs()}, "outputs": {"type": "array"}},
    }
    labels = {
        "type": "object",
        "required": ["labels"],
        "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "replace": {"type": "boolean", "default": False},
        },
    }
    gives = {"outputs": outputs(len(served.classes))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": __version__,
            "description": f"Version {served.version}, champion of {served.dataset} in {served.environment}; classes "
            f"{', '.join(served.classes[:20])}{' …' if len(served.classes) > 20 else ''}.",
        },
        "security": [{"token": []}],
        "paths": {
            "/predict": _post("Ask about samples", {"application/json": {"schema": listed}, **files}, "predict"),
            f"/v2/models/{name}/infer": _post(
                "Open Inference Protocol",
                {"application/json": {"schema": tensor}, "application/octet-stream": {}},
                "predict",
            ),
            f"/v2/models/{name}": _get("What the model takes and gives", gives),
            f"/v2/models/{name}/ready": _get("Whether it answers"),
            "/v2": _get("The server and its extensions"),
            "/v2/health/live": _get("Whether the process lives"),
            "/v2/health/ready": _get("Whether it answers"),
            **({} if augment is None else {"/augment": _augment(augment, samples)}),
            "/labels": _post("Labels that come later", {"application/json": {"schema": labels}}, "label"),
            "/metrics": _get("Metrics for Prometheus; scope admin"),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": {
                    "type": "object",
                    "description": "RFC 9457",
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "faults": {"type": "array", "items": {"type": "object"}},
                        "trace_id": {"type": "string"},
                    },
                }
            },
        },
    }


def page(model: ServedModel, interface: Interface, augment: AugmentRules | None) -> str:
    """The document as a page: no script, nothing from elsewhere, every text escaped."""
    return _template().render(**document(model, interface, augment), form=model.requests.form, errors=_ERRORS)


@cache
def _template() -> jinja2.Template:
    folder = Path(__file__).parent / "templates"
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.ChainableUndefined
    )
    return made.get_template("page.html")


def _post(summary: str, content: dict[str, Any], scope: str) -> dict[str, Any]:
    answers = {"200": {"description": "the answer"}}
    errors = {
        code: {"description": text, "content": {"application/problem+json": {"schema": _PROBLEM}}}
        for code, text in _ERRORS.items()
    }
    told = f"{summary}; scope {scope}"
    return {
        "post": {
            "summary": told,
            "requestBody": {"required": True, "content": content},
            "responses": {**answers, **errors},
        }
    }


def _augment(rules: AugmentRules, samples: dict[str, Any]) -> dict[str, Any]:
    named = [dict(zip(("policy", "version"), one.split("@"), strict=True)) for one in rules.policies]
    body: dict[str, Any] = {
        "type": "object",
        "required": ["policy", "version", "ids", "samples"],
        "properties": {
            "policy": {"type": "string"},
            "version": {"type": "string"},
            "seed": {"type": "integer", "default": 0},
            "epoch": {"type": "integer", "default": 0},
            "ids": {"type": "array", "items": {"type": ["string", "integer"]}, "uniqueItems": True},
            "samples": samples,
        },
        "anyOf": [{"properties": {name: {"const": value} for name, value in one.items()}} for one in named],
    }
    if rules.nearline is not None:
        body["required"].remove("samples")
        body["properties"] |= {
            "split": {"enum": list(rules.nearline.splits), "default": rules.nearline.splits[0]},
            "snapshot": {"type": "string", "description": "without samples: of which data set the ids are"},
        }
    content = {"application/json": {"schema": body}, "application/octet-stream": {}}
    return _post(f"Have samples augmented by {', '.join(rules.policies)}", content, "augment")


def _get(summary: str, example: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "the answer"}
    if example is not None:
        answer["content"] = {"application/json": {"example": example}}
    return {"get": {"summary": summary, "responses": {"200": answer}}}
