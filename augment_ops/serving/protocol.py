"""The Open Inference Protocol, version 2, over HTTP: tensors in JSON or as bytes after it.

One input `samples`, (n, *shape) of the modality's dtype; outputs `probabilities`, FP32 (n, K), and `label`, BYTES (n).

Source: https://github.com/kserve/open-inference-protocol, inference_rest.md and its binary tensor data extension.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import InputError
from augment_ops.modalities.source import Samples

HEADER_LENGTH = "Inference-Header-Content-Length"  # of the JSON, where bytes follow it
INPUT, PROBABILITIES, LABEL = "samples", "probabilities", "label"
EXTENSIONS = ("binary_tensor_data",)
_TYPES = {"uint8": "UINT8", "float64": "FP64", "int64": "INT64", "int32": "INT32", "float32": "FP32"}
_OUTPUTS = (PROBABILITIES, LABEL)
_SHOWN = 80  # characters of what somebody sent


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """What is asked.

    Attributes:
        id: as the client gave it; empty where it gave none.
        samples: (n, *shape).
        outputs: name → whether it is to come as bytes, in the order asked for.
    """

    id: str
    samples: Samples
    outputs: dict[str, bool]


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What the model takes and gives.

    Attributes:
        shape: of a sample; dtype: of it; limit: samples in a request.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    limit: int

    @property
    def datatype(self) -> str:
        """The dtype as the protocol names it."""
        return _TYPES[self.dtype.name]

    def inputs(self) -> list[dict[str, Any]]:
        """As the metadata of a model have them; -1 is any number."""
        return [{"name": INPUT, "datatype": self.datatype, "shape": [-1, *self.shape]}]


def outputs(classes: int) -> list[dict[str, Any]]:
    """As the metadata of a model have them."""
    return [
        {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, classes]},
        {"name": LABEL, "datatype": "BYTES", "shape": [-1]},
    ]


def read_request(body: bytes, header_length: str | None, interface: Interface) -> InferRequest:
    """Read an inference request.

    Args:
        header_length: the header of that name; None where the body is JSON alone.

    Raises:
        InputError: it is none, or not for this model.
    """
    asked, tensors = parts(body, header_length)
    id_ = asked.get("id", "")
    if not isinstance(id_, str):
        raise _no("id", _shown(id_), "a text")
    return InferRequest(id=id_, samples=read_tensor(asked, tensors, interface), outputs=_wanted(asked))


def read_tensor(asked: dict[str, Any], tensors: memoryview, interface: Interface) -> Samples:
    """The one input of a request.

    Args:
        asked, tensors: as `parts` gives them.

    Raises:
        InputError: there is none, or it is not for this model.
    """
    given = asked.get("inputs")
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise _no("inputs", _shown(given), f"one tensor, {INPUT}")
    tensor = given[0]
    for name, expected in (("name", INPUT), ("datatype", interface.datatype)):
        if tensor.get(name) != expected:
            raise _no(f"inputs[0].{name}", _shown(tensor.get(name)), repr(expected))
    shape = _shape(tensor.get("shape"), interface)
    size = _parameter(tensor, "binary_data_size")
    if size is None:
        return _from_json(tensor.get("data"), interface, shape)
    return _from_bytes(tensors, size, interface, shape)


def written_tensor(samples: Samples, interface: Interface) -> tuple[dict[str, Any], bytes]:
    """Samples as the tensor that `read_tensor` reads, and its bytes."""
    content = samples.astype(interface.dtype.newbyteorder("<"), copy=False).tobytes()
    told = {"name": INPUT, "datatype": interface.datatype, "shape": list(samples.shape)}
    return {**told, "parameters": {"binary_data_size": len(content)}}, content


def write_response(
    asked: InferRequest, model: str, version: str, id_: str, classes: Sequence[str], scores: NDArray[np.float64]
) -> tuple[bytes, int | None]:
    """The response to a request, and the length of its JSON where bytes follow.

    Args:
        model: registered name; version: its number.
        scores: float64 (n, K), probabilities.
    """
    tensors, behind = [], []
    for name, binary in asked.outputs.items():
        is_label = name == LABEL
        labels = [classes[place] for place in scores.argmax(axis=1)] if is_label else []
        tensor: dict[str, Any] = {"name": name, "datatype": "BYTES" if is_label else "FP32"}
        tensor["shape"] = [len(scores)] if is_label else list(scores.shape)
        if binary:
            content = _packed(labels) if is_label else scores.astype("<f4").tobytes()
            tensor["parameters"] = {"binary_data_size": len(content)}
            behind.append(content)
        else:
            tensor["data"] = labels if is_label else scores.astype(np.float32).ravel().tolist()
        tensors.append(tensor)
    document = {"model_name": model, "model_version": version, "id": id_, "outputs": tensors}
    header = json.dumps(document, separators=(",", ":")).encode()
    return b"".join([header, *behind]), len(header) if behind else None


def parts(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    """The JSON of a request, and the bytes after it.

    Raises:
        InputError: no JSON object, or a length that is none.
    """
    length = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdecimal()) or int(header_length[:12]) > len(body):
            raise _no(HEADER_LENGTH, _shown(header_length), f"a number up to {len(body)}, the length of the body")
        length = int(header_length)
    return read_json(body[:length]), memoryview(body)[length:]


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: it is none.
    """
    try:
        found = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _no("body", str(error).splitlines()[0][:_SHOWN], "one JSON object") from error
    if not isinstance(found, dict):
        raise _no("body", _shown(found), "one JSON object")
    return found


def _shape(given: Any, interface: Interface) -> list[int]:
    whole = isinstance(given, list) and all(type(one) is int for one in given)
    if not whole or tuple(given[1:]) != interface.shape or not 1 <= given[0] <= interface.limit:
        wanted = f"[n, {', '.join(map(str, interface.shape))}] with n from 1 to {interface.limit:,}"
        raise _no("inputs[0].shape", _shown(given), wanted)
    found: list[int] = given
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a name that stands twice nobody knows which was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"{_shown(twice)} stands twice in one object")
    return found


def _from_bytes(tensors: memoryview, size: Any, interface: Interface, shape: list[int]) -> Samples:
    expected = math.prod(shape) * interface.dtype.itemsize
    if size != expected or len(tensors) != expected:
        found = f"{_shown(size)}, and {len(tensors):,} bytes after the JSON"
        raise _no("inputs[0].parameters.binary_data_size", found, f"{expected:,}, as shape and datatype say")
    return _finite(np.frombuffer(tensors, interface.dtype.newbyteorder("<")).reshape(shape).astype(interface.dtype))


def _from_json(data: Any, interface: Interface, shape: list[int]) -> Samples:
    try:
        found = np.asarray(data if data is not None else [], dtype=None)
    except ValueError as error:
        raise _no("inputs[0].data", "lists of different lengths", f"{math.prod(shape):,} numbers") from error
    if found.size != math.prod(shape) or found.dtype.kind not in "iuf":
        raise _no("inputs[0].data", f"{found.size:,} values of {found.dtype}", f"{math.prod(shape):,} numbers")
    with np.errstate(invalid="ignore"):
        samples = found.astype(interface.dtype)
    if interface.dtype.kind in "iu" and not np.array_equal(samples, found):
        limits = np.iinfo(interface.dtype)
        raise _no("inputs[0].data", f"{found.min()} to {found.max()}", f"whole numbers, {limits.min} to {limits.max}")
    return _finite(samples.reshape(shape))


def _finite(samples: Samples) -> Samples:
    if samples.dtype.kind == "f" and np.isinf(samples).any():
        raise _no("inputs[0].data", "an infinite number", "numbers, or NaN for what is missing")
    return samples


def _wanted(asked: dict[str, Any]) -> dict[str, bool]:
    whole = _parameter(asked, "binary_data_output") is True
    given = asked.get("outputs")
    if given is None:
        return dict.fromkeys(_OUTPUTS, whole)
    names = [one.get("name") if isinstance(one, dict) else None for one in given] if isinstance(given, list) else [None]
    if not names or any(name not in _OUTPUTS for name in names) or len(set(names)) < len(names):
        raise _no("outputs", _shown(given), f"some of {', '.join(_OUTPUTS)}, each once")
    found = {one["name"]: _parameter(one, "binary_data") for one in given}
    return {name: whole if binary is None else binary is True for name, binary in found.items()}


def _parameter(of: dict[str, Any], name: str) -> Any:
    given = of.get("parameters")
    return given.get(name) if isinstance(given, dict) else None


def _packed(texts: Sequence[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(one)) + one for one in encoded)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _no(where: str, found: str, expected: str) -> InputError:
    return InputError(where, found, expected, "see GET /openapi.json, or the metadata of the model")
