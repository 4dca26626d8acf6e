"""Archives that run code when torch reads them, and what is refused before it does."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from augment_ops.errors import InputError, StoreError
from augment_ops.runtime.pt2_archive import checked
from support.networks import untrained, write_program

SHAPE = (8, 8, 1)
MODEL = "archive/models/model.json"


def graph(document: Any) -> Any:
    return document["graph_module"]["graph"]


def ask(content: bytes) -> None:
    """What whoever loads a program with torch alone does."""
    torch.export.load(io.BytesIO(content)).module()(torch.zeros((2, *SHAPE), dtype=torch.uint8))


def of_a_size(document: Any, code: str) -> None:
    graph(document)["tensor_values"]["images"]["sizes"][0]["as_expr"]["expr_str"] = code


def of_a_size_among_arithmetic(document: Any, code: str) -> None:
    of_a_size(document, f"Mul(Integer(2), Integer({code}))")


def of_a_guard(document: Any, code: str) -> None:
    document["guards_code"] = [f"{code} == 0"]


@pytest.mark.parametrize("of", [of_a_size, of_a_size_among_arithmetic, of_a_guard])
def test_tensors_and_json_alone_run_code_in_torch_and_are_refused_here(of, with_json, artifact, payload):
    """The attack itself: without the grammar a file appears, which is what the test would then find."""
    code, made = payload
    infected = with_json(lambda document: of(document, code))
    with pytest.raises(StoreError, match="known operators"):
        checked(artifact(infected))
    assert not made.exists()
    with contextlib.suppress(Exception):  # torch notices that something is wrong; by then it has run
        ask(infected)
    assert made.exists(), "torch has become careful: see whether the grammar is still needed"


def set_in(*path: Any, to: Any) -> Any:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


G = ("graph_module", "graph")
NODE = (*G, "nodes", 0)
CALL = ("graph_module", "module_call_graph", 0, "signature")
OTHER_TREE = '[1, {"type": "collections.defaultdict", "context": "{\\"default_factory_module\\": \\"antigravity\\"}"}]'


@pytest.mark.parametrize(
    "change",
    [
        set_in(*NODE, "target", to="torch.ops.aten.from_file.default"),
        set_in(*NODE, "target", to="torch.os.system"),
        set_in(*NODE, "target", to="torch.ops.mine.op.default"),
        set_in(*NODE, "target", to="torch.ops.higher_order.cond"),
        set_in(*NODE, "target", to="torch.ops.aten.relu.default.__class__"),
        set_in(*NODE, "target", to="_operator.attrgetter"),
        set_in(*NODE, "target", to="math.factorial"),
        set_in(*NODE, "target", to="#namespace:op"),
        set_in(*NODE, "name", to="a; import os"),
        set_in(*NODE, "name", to="lambda"),
        set_in(*NODE, "inputs", 0, "name", to="self, x=1"),
        set_in(*NODE, "inputs", 0, "arg", to={"as_operator": "torch.os.system"}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_graph": {"name": "g", "graph": {}}}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_custom_obj": {"name": "c", "class_fqn": "x"}}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_string": "/etc/passwd"}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_tensor": {"name": "nowhere"}}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_int": 1, "as_bool": True}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_int": True}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_int": 2**64}),
        set_in(*NODE, "inputs", 0, "arg", to={"as_device": {"type": "cuda", "index": 0}}),
        set_in(*NODE, "metadata", to={"from_node": "[]"}),
        set_in(*NODE, "metadata", to={"torch_fn": "a\nb"}),
        set_in(*NODE, "outputs", 0, to={"as_tensor": {"name": "images"}}),
        set_in(*G, "outputs", to=[]),
        set_in(*G, "custom_obj_values", to={"c": {"name": "c", "class_fqn": "x"}}),
        set_in(*G, "more", to=1),
        set_in(*CALL, "in_spec", to=OTHER_TREE),
        set_in(*CALL, "out_spec", to=OTHER_TREE),
        set_in(*CALL, "forward_arg_names", to=["x=__import__('os')"]),
        set_in("graph_module", "module_call_graph", to=[]),
        set_in("graph_module", "signature", "input_specs", 0, "parameter", "parameter_name", to="net.__class__"),
        set_in("graph_module", "signature", "input_specs", 0, "parameter", "parameter_name", to="net.none"),
        set_in("graph_module", "metadata", to={"custom": "{}"}),
        set_in("range_constraints", to={"s34": {"min_val": "1", "max_val": None}}),
        set_in("range_constraints", to={"__import__('os')": {"min_val": 1, "max_val": None}}),
        set_in("schema_version", "major", to=9),
        set_in("verifiers", to=["OTHER"]),
        set_in("opset_version", to={"aten": 10, "mine": 1}),
    ],
)
def test_whatever_the_exporter_does_not_write_is_refused(change, with_json, artifact):
    with pytest.raises(StoreError, match="exporter"):
        checked(artifact(with_json(change)))


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b'{"a": 1, "a": 1}', b'{"a": ' + b"9" * 5000 + b"}", b"\xff\xfe{}", b"NaN", b"{}", b""],
)
def test_json_that_is_none_or_hangs_a_reader_is_refused(text, altered, artifact):
    with pytest.raises(StoreError, match="exporter"):
        checked(artifact(altered(lambda members: members.update({MODEL: text}))))


def weights(change: Any) -> Any:
    def of(members: dict[str, bytes]) -> None:
        name = "archive/data/weights/model_weights_config.json"
        document = json.loads(members[name])
        change(next(iter(document["config"].values())))
        members[name] = json.dumps(document).encode()

    return of


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update({"archive/extra/run.py": b"x"}),
        lambda m: m.update({"archive/data/aotinductor/model/a.so": b"x"}),
        lambda m: m.update({"archive/data/weights/weight_999": b"not read by any tensor"}),
        lambda m: m.update({"archive/data/weights/../../weight_0": b"x"}),
        lambda m: m.update({"archive/data/constants/extra": pickle.dumps(print)}),
        lambda m: m.update({"archive/data/sample_inputs/model.pt": pickle.dumps(print)}),
        lambda m: m.update({"archive/archive_version": b"1"}),
        lambda m: m.pop("archive/byteorder"),
        lambda m: m.pop("archive/data/weights/weight_0"),
        lambda m: m.update({"archive/data/weights/weight_0": b""}),
        lambda m: m.update({"archive/data/weights/weight_0": m["archive/data/weights/weight_0"][:-4]}),
        weights(lambda entry: entry.update(use_pickle=True)),
        weights(lambda entry: entry.update(path_name="../weight_0")),
        weights(lambda entry: entry.update(tensor_meta=None)),
        weights(lambda entry: entry["tensor_meta"].update(sizes=[{"as_int": 2**31}] * 4)),
        weights(lambda entry: entry["tensor_meta"].update(sizes=[{"as_expr": {"expr_str": "s0"}}])),
        weights(lambda entry: entry["tensor_meta"].update(storage_offset={"as_int": 1})),
        weights(lambda entry: entry["tensor_meta"].update(strides=[{"as_int": -1}] * 4)),
    ],
)
def test_members_that_the_exporter_does_not_write_are_refused(change, altered, artifact):
    with pytest.raises(StoreError, match="exporter"):
        checked(artifact(altered(change)))


def test_a_sample_input_that_names_a_function_is_refused(altered, artifact):
    def change(members: dict[str, bytes]) -> None:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as checkpoint:
            checkpoint.writestr("archive/data.pkl", pickle.dumps(print, protocol=2))
        members["archive/data/sample_inputs/model.pt"] = target.getvalue()

    with pytest.raises(StoreError, match="a pickle that names"):
        checked(artifact(altered(change)))


@pytest.mark.parametrize(
    "form",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"#!/bin/sh\ntouch /tmp/polyglot\n" + content,
        lambda content: b"",
        lambda content: b"nothing",
        lambda content: content.replace(b"archive/byteorder", b"archive/byteordeR"),
    ],
)
def test_other_bytes_around_the_archive_are_refused(form, program, artifact):
    with pytest.raises(StoreError, match="exporter"):
        checked(artifact(form(program)))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_compressed_or_twofold_member_is_refused(program, artifact):
    with zipfile.ZipFile(io.BytesIO(program)) as source:
        members = [(name, source.read(name)) for name in source.namelist()]
    for kind, written in (("compressed", members), ("two of that name", [*members, members[0]])):
        target = io.BytesIO()
        how = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(target, "w", how) as archive:
            for name, data in written:
                archive.writestr(name, data)
        with pytest.raises(StoreError, match=kind):
            checked(artifact(target.getvalue()))


def test_what_torch_is_given_holds_no_pickle_and_the_same_answers(program, artifact):
    given = checked(artifact(program))
    with zipfile.ZipFile(io.BytesIO(given)) as archive:
        assert archive.read("archive/data/sample_inputs/model.pt") == b""
    images = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (9, *SHAPE), dtype=np.uint8))
    ours, theirs = (torch.export.load(io.BytesIO(content)).module() for content in (given, program))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)


def test_a_file_of_an_earlier_version_with_its_origins_is_read(with_json, artifact, program):
    """Until now the exporter left the modules' names and places in a program."""

    def remember(document: Any) -> None:
        stack = (
            "L__self__,,augment_ops.training.models.with_pixel_input.<locals>.PixelInput;L__self___net,net,torch.nn.X"
        )
        for node in graph(document)["nodes"]:
            node["metadata"] = {"nn_module_stack": stack, "torch_fn": "permute_1;method_descriptor.permute"}
        document["graph_module"]["module_call_graph"].append({"fqn": "net.0", "signature": None})

    assert checked(artifact(with_json(remember))) == checked(artifact(with_json(lambda document: None)))


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.other = nn.Conv2d(channels, channels, 3, padding="same", groups=channels)
        self.last, self.squeeze = nn.GroupNorm(2, channels), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid())

    def forward(self, x):
        y = self.last(self.other(F.relu(self.norm(self.one(x)), inplace=True)))
        with torch.no_grad():  # a graph within the graph, unless the exporter sees to it
            scale = self.squeeze(y)
        return F.silu(x + y * scale)


def residual(shape, classes):
    return nn.Sequential(
        nn.Conv2d(shape[2], 8, 3),
        Residual(8),
        nn.MaxPool2d(2),
        Residual(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(8, classes),
    )


class Transformer(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.patches, self.head = nn.Conv2d(shape[2], 16, 4, 4), nn.Linear(16, classes)
        self.first, self.places = nn.Parameter(torch.zeros(1, 1, 16)), nn.Embedding(5, 16)
        self.register_buffer("order", torch.arange(5), persistent=False)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places(self.order)
        x = self.layer(x)
        weights = (x @ x.mT).masked_fill(torch.ones(5, 5).tril() == 0, float("-inf")).softmax(-1)
        return self.head(self.norm(torch.einsum("bij,bjd->bid", weights, x))[:, 0])


def perceptron(shape, classes):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(shape[0] * shape[1] * shape[2], 16),
        nn.BatchNorm1d(16),
        nn.GELU(),
        nn.Linear(16, classes),
    )


class Recurrent(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.rows, self.head = nn.LSTM(shape[1], 16, batch_first=True), nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.rows(F.interpolate(x, scale_factor=2.0, mode="bilinear")[:, 0, :, ::2])[0].mean(1))


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")  # torch, of every recurrent layer
@pytest.mark.parametrize("factory", [residual, Transformer, perceptron, Recurrent])
def test_usual_networks_are_admitted_and_answer_alike(factory, tmp_path: Path, artifact):
    net = untrained(SHAPE, factory=factory)
    write_program(net, SHAPE, tmp_path / "model.pt2")
    given = torch.export.load(io.BytesIO(checked(artifact((tmp_path / "model.pt2").read_bytes())))).module()
    images = torch.randint(0, 256, (5, *SHAPE), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(given(images), net(images), rtol=1e-4, atol=1e-4)


def test_a_network_that_calls_anything_else_is_refused_before_it_is_trained():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            return self.linear(x.flatten(1) + torch.rand(64))

    with pytest.raises(InputError, match=r"torch\.ops\.aten\.rand\.default"):
        untrained(SHAPE, factory=lambda *_: Noisy())
