"""Archives of trees that would run code, read foreign memory or never end: refused before skops reads them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import resource
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io

from augment_ops.errors import InputError, StoreError
from augment_ops.runtime import FORMATS, load
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.skops_archive import SCHEMA, checked, scores
from support.trees import task, trees

SEED = 20_261_128
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def content() -> bytes:
    return trees().artifact


def of(content: bytes, name: str = "model.skops") -> Artifact:
    return Artifact(content, hashlib.sha256(content).hexdigest(), name, "skops")


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(found: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    return target.getvalue()


def with_schema(content: bytes, change: Callable[[Any], None]) -> bytes:
    found = members(content)
    document = json.loads(found[SCHEMA])
    change(document)
    found[SCHEMA] = json.dumps(document).encode()
    return written(found)


def fields(document: Any) -> Any:
    return document["content"]["content"]


def a_tree(document: Any) -> Any:
    return fields(document)["_predictors"]["content"][0]["content"][0]


def nodes_file(document: Any) -> str:
    return a_tree(document)["content"]["content"]["nodes"]["file"]


def with_nodes(content: bytes, change: Callable[[np.ndarray], None]) -> bytes:
    """The model after a change to the nodes of its first tree."""
    found = members(content)
    name = nodes_file(json.loads(found[SCHEMA]))
    nodes = np.load(io.BytesIO(found[name]))
    change(nodes)
    target = io.BytesIO()
    np.save(target, nodes)
    return written(found | {name: target.getvalue()})


def refused(content: bytes, said: str) -> None:
    with pytest.raises(StoreError, match=r"a \.skops archive of gradient-boosted trees and nothing else") as caught:
        checked(of(content))
    assert said in caught.value.faults[0].found


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("categorical", [(), (False, False, False, True)])
def test_what_our_trainer_writes_is_read_and_nothing_is_lost(classes: int, categorical: tuple[bool, ...]) -> None:
    given = trees(task(classes, categorical=categorical)).artifact
    found = checked(of(given))
    assert members(found).keys() == members(given).keys()
    assert json.loads(members(found)[SCHEMA]) == json.loads(members(given)[SCHEMA])
    assert scores(of(given)) == classes


OS = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
TYPES = {
    "a function": lambda d: fields(d).update(_preprocessor=OS),
    "a call": lambda d: fields(d)["_preprocessor"]["content"]["content"].update(
        verbose={
            "__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
            "content": {"func": OS, "args": fields(d)["tol"], "kwds": fields(d)["tol"], "namespace": fields(d)["tol"]},
        }
    ),
    "a call of a type": lambda d: fields(d)["_preprocessor"]["content"]["content"].update(
        verbose={
            "__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
            "content": {
                "func": {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"},
                "args": fields(d)["tol"], "kwds": fields(d)["tol"], "namespace": fields(d)["tol"],
            },
        }
    ),
    "a type": lambda d: fields(d).update(
        loss={"__class__": "Popen", "__module__": "subprocess", "__loader__": "TypeNode"}
    ),
    "an object": lambda d: a_tree(d).update(__class__="Popen", __module__="subprocess"),
    "a method": lambda d: fields(d).update(
        loss={"__class__": "method", "__module__": "builtins", "__loader__": "MethodNode", "content": {}}
    ),
    "an operator": lambda d: fields(d).update(
        loss={"__class__": "attrgetter", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": {}}
    ),
    "another model": lambda d: d.update(__class__="RandomForestClassifier", __module__="sklearn.ensemble._forest"),
    "a model of which no tree is ours": lambda d: d.update(__class__="_BinMapper"),
    "an array as a list of objects": lambda d: fields(d).update(
        classes_={"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "json",
                  "content": [], "shape": {}}
    ),
    "an identity": lambda d: fields(d)["loss"].update(__id__=7),
    "a file elsewhere": lambda d: fields(d)["classes_"].update(file="../../etc/passwd"),
    "a file elsewhere that nobody looks into": lambda d: fields(d).update(
        more={**fields(d)["_baseline_prediction"], "file": "../x.npy"}
    ),
    "a field of Python's own": lambda d: fields(d).update(__init__=fields(d)["loss"]),
    "a protocol of before": lambda d: d.update(protocol=0),
    "a protocol that is true": lambda d: d.update(protocol=True),
    "no protocol": lambda d: d.pop("protocol"),
    "more than is written": lambda d: d.update(more=1),
    "a word that is no value": lambda d: fields(d)["loss"].update(content="__import__('os')"),
    "other classes": lambda d: fields(d)["classes_"].update(file=nodes_file(d)),
    "no trees": lambda d: fields(d).update(_predictors={**fields(d)["_predictors"], "content": []}),
    "a tree of three a round": lambda d: fields(d)["_predictors"]["content"][0].update(content=[a_tree(d)] * 3),
    "more features than bins": lambda d: fields(d)["n_features_in_"].update(content="9999"),
}  # fmt: skip


@pytest.mark.parametrize("what", TYPES)
def test_what_such_a_model_is_not_made_of_is_refused(what: str, content: bytes) -> None:
    with pytest.raises(StoreError, match=r"a \.skops archive of gradient-boosted trees and nothing else"):
        checked(of(with_schema(content, TYPES[what])))


def test_classes_are_numbers_from_0_in_a_row(content: bytes) -> None:
    found = members(content)
    name = fields(json.loads(found[SCHEMA]))["classes_"]["file"]
    for other in (np.int64(1), np.array([0, 2]), np.array([[0, 1]]), np.array([0]), np.array([0.0, 1.0])):
        target = io.BytesIO()
        np.save(target, other)
        refused(written(found | {name: target.getvalue()}), "")


def test_deep_nesting_is_refused(content: bytes) -> None:
    def nest(document: Any) -> None:
        node = fields(document)["loss"]
        for _ in range(200):
            node = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [node]}
        fields(document)["loss"] = node

    refused(with_schema(content, nest), "which no model of ours has there")
    found = members(content)
    refused(written(found | {SCHEMA: b"[" * 100_000}), "no JSON of ours")


LINKS = {
    "a loop": (lambda nodes: nodes.__setitem__(("left"), np.where(np.arange(len(nodes)) == 0, 0, nodes["left"])),
               "not a later node"),
    "a child that is not there": (lambda nodes: nodes["right"].__setitem__(0, len(nodes)), "not a later node"),
    "a feature that is not there": (lambda nodes: nodes["feature_idx"].__setitem__(0, 4), "that is not there"),
    "a feature before the first": (lambda nodes: nodes["feature_idx"].__setitem__(0, -1), "that is not there"),
    "categories that are not there": (
        lambda nodes: (nodes["is_categorical"].__setitem__(0, 1), nodes["bitset_idx"].__setitem__(0, 1 << 20)),
        "categories are not there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", LINKS)
def test_trees_whose_links_lead_nowhere_are_refused(what: str, content: bytes) -> None:
    """skops trusts a tree for its type, and scikit-learn follows its links without a look."""
    change, said = LINKS[what]
    refused(with_nodes(content, change), said)


def header(content: bytes, told: str, rest: bytes = b"") -> bytes:
    """The model with another header of its first array."""
    text = told.encode() + b"\n"
    return written(members(content) | {"0.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + rest})


@pytest.mark.parametrize(
    "told",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1024)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U9999999', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (1,)}",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [5], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': __import__('os').getpid(), 'fortran_order': False, 'shape': (1,)}",
        "(" * 900,
        "",
        "[]",
    ],
)
def test_headers_of_arrays_that_are_not_what_they_hold_are_refused(told: str, content: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python's parser, of what is no header
        refused(header(content, told, bytes(8)), "0.npy: ")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 50


def test_archives_that_are_more_than_they_show_are_refused(content: bytes) -> None:
    found = members(content)
    refused(written(found | {SCHEMA: b" " * (64 << 20)}, zipfile.ZIP_DEFLATED), "compressed")  # 64 KB on disk
    refused(written(found | {"model.pkl": b"cos\nsystem\n(S'true'\ntR."}), "a member 'model.pkl'")
    refused(written(found | {"0.npy/../x": b""}), "a member")
    refused(written(found | {"9999.npy": found["0.npy"]}), "an array that nothing names")
    refused(content + b"x", "bytes behind the archive")
    refused(b"x" * 40 + content, "bytes between the members")
    refused(written({name: data for name, data in found.items() if name != SCHEMA}), "no schema.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands twice
        target = io.BytesIO(content)
        with zipfile.ZipFile(target, "a") as archive:
            archive.writestr(SCHEMA, found[SCHEMA])
    refused(target.getvalue(), "two of that name")


def test_files_that_are_cut_off_or_of_another_kind_are_refused(content: bytes) -> None:
    for size in (0, 1, 21, 22, 1000, len(content) // 2, len(content) - 22, len(content) - 1):
        refused(content[:size], "")
    refused(skops.io.dumps({"a": 1}), "")
    refused(b"\x80\x04\x95cos\nsystem", "")


def test_a_file_whose_record_names_another_format_is_refused(content: bytes) -> None:
    with pytest.raises(StoreError, match=r"a \.pt2 archive of tensors"):
        load(Artifact(content, "", "model.skops", "pt2"))
    known = re.escape(" | ".join(FORMATS))
    with pytest.raises(StoreError, match=f"format of an artifact: found 'onnx'; expected {known}"):
        load(Artifact(content, "", "model.onnx", "onnx"))
    with pytest.raises(InputError, match="device: found cuda; expected cpu"):
        load(of(content), "cuda")


def test_mutants_end_in_one_error_or_are_read_in_bounded_time(content: bytes) -> None:
    draw, whole = random.Random(SEED), members(content)
    names = list(whole)
    ends = {"refused": 0, "read": 0}
    for _ in range(60):
        found = dict(whole)
        name = draw.choice((SCHEMA, draw.choice(names)))
        data = bytearray(found[name])
        for _ in range(draw.choice((1, 4))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        if draw.random() < 0.2:
            del data[draw.randrange(len(data)) :]
        found[name] = bytes(data)
        started = time.monotonic()
        try:
            checked(of(written(found)))
            ends["read"] += 1
        except StoreError:
            ends["refused"] += 1
        assert time.monotonic() - started < 5
    assert min(ends.values()) > 0, ends
