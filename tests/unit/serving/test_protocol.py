"""The Open Inference Protocol: what is read, what is refused with where and why, what is written."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from augment_ops.errors import InputError
from augment_ops.serving.protocol import Interface, read_request, write_response

IMAGES = Interface(shape=(2, 3), dtype=np.dtype(np.uint8), limit=4)
ROWS = Interface(shape=(2,), dtype=np.dtype(np.float64), limit=4)
SAMPLES = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def body(tensor: dict | None = None, **more) -> bytes:
    whole = {"name": "samples", "datatype": "UINT8", "shape": [2, 2, 3], "data": list(range(12))} | (tensor or {})
    return json.dumps({"inputs": [whole]} | more).encode()


def with_bytes(data: bytes, size: int | None = None) -> tuple[bytes, str]:
    size = len(data) if size is None else size
    tensor = {"name": "samples", "datatype": "UINT8", "shape": [2, 2, 3], "parameters": {"binary_data_size": size}}
    header = json.dumps({"inputs": [tensor]}).encode()
    return header + data, str(len(header))


def test_json_and_bytes_are_the_same_samples() -> None:
    assert np.array_equal(read_request(body(), None, IMAGES).samples, SAMPLES)
    nested = body({"data": SAMPLES.tolist()})
    assert np.array_equal(read_request(nested, None, IMAGES).samples, SAMPLES)
    assert np.array_equal(read_request(*with_bytes(SAMPLES.tobytes()), IMAGES).samples, SAMPLES)


def test_what_is_missing_in_a_row_is_nan_in_bytes_and_in_json() -> None:
    content = {"name": "samples", "datatype": "FP64", "shape": [1, 2], "data": [float("nan"), 2.5]}
    found = read_request(json.dumps({"inputs": [content]}).encode(), None, ROWS).samples
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 2.5


@pytest.mark.parametrize(
    ("tensor", "where"),
    [
        ({"name": "x"}, "inputs[0].name"),
        ({"datatype": "FP32"}, "inputs[0].datatype"),
        ({"shape": [2, 3, 2]}, "inputs[0].shape"),
        ({"shape": [0, 2, 3]}, "inputs[0].shape"),
        ({"shape": [5, 2, 3], "data": [0] * 30}, "inputs[0].shape"),
        ({"shape": [True, 2, 3]}, "inputs[0].shape"),
        ({"shape": "2x2x3"}, "inputs[0].shape"),
        ({"data": list(range(11))}, "inputs[0].data"),
        ({"data": None}, "inputs[0].data"),
        ({"data": [*range(11), 256]}, "inputs[0].data"),
        ({"data": [*range(11), -1]}, "inputs[0].data"),
        ({"data": [*range(11), 0.5]}, "inputs[0].data"),
        ({"data": [*range(11), "1"]}, "inputs[0].data"),
        ({"data": [*range(11), 10**30]}, "inputs[0].data"),
        ({"data": [[1], [1, 2]]}, "inputs[0].data"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tensor: dict, where: str) -> None:
    with pytest.raises(InputError) as told:
        read_request(body(tensor), None, IMAGES)
    assert told.value.faults[0].where == where


@pytest.mark.parametrize(
    ("content", "header", "where"),
    [
        (b"", None, "body"),
        (b"[]", None, "body"),
        (b"[" * 100_000, None, "body"),
        (b"\xff\xfe", None, "body"),
        (b'{"id": "a", "id": "b"}', None, "body"),
        (b"{}", None, "inputs"),
        (json.dumps({"inputs": [1]}).encode(), None, "inputs"),
        (b"{}", "3", "Inference-Header-Content-Length"),
        (b"{}", "-1", "Inference-Header-Content-Length"),
        (b"{}", "9" * 5000, "Inference-Header-Content-Length"),
        (*with_bytes(bytes(11)), "inputs[0].parameters.binary_data_size"),
        (*with_bytes(bytes(12), size=11), "inputs[0].parameters.binary_data_size"),
        (*with_bytes(bytes(13)), "inputs[0].parameters.binary_data_size"),
        (body(id=7), None, "id"),
        (body(outputs=[]), None, "outputs"),
        (body(outputs=[{"name": "logits"}]), None, "outputs"),
        (body(outputs=[{"name": "label"}, {"name": "label"}]), None, "outputs"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(content: bytes, header: str | None, where: str) -> None:
    with pytest.raises(InputError) as told:
        read_request(content, header, IMAGES)
    assert told.value.faults[0].where == where


def test_an_infinite_number_is_refused() -> None:
    tensor = {"name": "samples", "datatype": "FP64", "shape": [1, 2], "data": [float("inf"), 0.0]}
    with pytest.raises(InputError, match="infinite"):
        read_request(json.dumps({"inputs": [tensor]}).encode(), None, ROWS)


SCORES = np.array([[0.25, 0.75], [0.5, 0.5]])


def test_a_response_in_json_has_both_outputs() -> None:
    asked = read_request(body(), None, IMAGES)
    content, length = write_response(asked, "m", "7", "id", ["no", "yes"], SCORES)
    assert length is None
    found = json.loads(content)
    assert (found["model_name"], found["model_version"], found["id"]) == ("m", "7", "id")
    assert found["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [2, 2], "data": [0.25, 0.75, 0.5, 0.5]},
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
    ]


def test_a_response_in_bytes_follows_its_json_in_the_order_asked_for() -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    asked = read_request(body(outputs=outputs, parameters={"binary_data_output": True}), None, IMAGES)
    content, length = write_response(asked, "m", "7", "id", ["nein", "já"], SCORES)
    assert length is not None
    told = json.loads(content[:length])["outputs"]
    assert [one["name"] for one in told] == ["label", "probabilities"]
    sizes = [one["parameters"]["binary_data_size"] for one in told]
    labels, scores = content[length : length + sizes[0]], content[length + sizes[0] :]
    assert labels == struct.pack("<I", 3) + "já".encode() + struct.pack("<I", 4) + b"nein"
    assert np.array_equal(np.frombuffer(scores, "<f4").reshape(2, 2), SCORES)
    assert len(scores) == sizes[1]


def test_an_output_may_be_json_where_the_others_are_bytes() -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probabilities"}]
    asked = read_request(body(outputs=outputs, parameters={"binary_data_output": True}), None, IMAGES)
    assert asked.outputs == {"label": False, "probabilities": True}
