"""A `.skops` file of gradient-boosted trees, held against what our trainer writes, before skops reads a byte of it.

skops builds what a file says of types that are trusted, and cannot tell whether their content is: a tree whose node is
its own child is walked for ever, one whose node names a feature that is not there reads memory that is not its own. So
a file is read here first: its members and their sizes, its JSON node by node against the types that such a model is
made of, its arrays by their headers, its trees by their links. What skops is then given is not the file but a new one,
written of what was understood.
"""

from __future__ import annotations

import ast
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import StoreError
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.phrases import Refused, flag, integer, items, nothing_or, only, parse, record, text
from augment_ops.runtime.plain_zip import plain_members

PROTOCOL = 2  # of skops 0.16; a later one may mean other things by the same words
SCHEMA = "schema.json"
_MAX_JSON = 256 << 20  # 1,000 trees of 10 classes have 40 MB
_MAX_DEPTH = 40  # of a node within nodes: a model has 14
_ARRAY_FILE = re.compile(r"\d{1,7}\.npy", re.ASCII)
_VALUE = re.compile(
    r'null|true|false|NaN|-?Infinity|-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?|"[\w .-]{0,80}"', re.ASCII
)
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,60}"
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
MODEL = f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier"
_TREE = f"{_BOOSTING}.predictor.TreePredictor"
# All that such a model is made of: how skops makes it → of which types.
_TYPES: Mapping[str, frozenset[str]] = {
    "ObjectNode": frozenset(
        {
            MODEL,
            _TREE,
            f"{_BOOSTING}.binning._BinMapper",
            "sklearn._loss.link.Interval",
            "sklearn._loss.link.LogitLink",
            "sklearn._loss.link.MultinomialLogit",
            "sklearn._loss.loss.HalfBinomialLoss",
            "sklearn._loss.loss.HalfMultinomialLoss",
            "sklearn.compose._column_transformer.ColumnTransformer",
            "sklearn.preprocessing._encoders.OrdinalEncoder",
            "sklearn.preprocessing._function_transformer.FunctionTransformer",
            "sklearn.preprocessing._label.LabelEncoder",
        }
    ),
    "LossNode": frozenset({"sklearn._loss._loss.CyHalfBinomialLoss", "sklearn._loss._loss.CyHalfMultinomialLoss"}),
    "NdArrayNode": frozenset({"numpy.ndarray", "numpy.uint64", "numpy.int64", "numpy.float64", "numpy.bool"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int", "numpy.float64"}),
    "PartialNode": frozenset({"functools.partial"}),
    "FunctionNode": frozenset({"sklearn.utils.validation.check_array"}),
}
_NODE = [
    ("value", "<f8"), ("count", "<u4"), ("feature_idx", "<i8"), ("num_threshold", "<f8"), ("missing_go_to_left", "u1"),
    ("left", "<u4"), ("right", "<u4"), ("gain", "<f8"), ("depth", "<u4"), ("is_leaf", "u1"), ("bin_threshold", "u1"),
    ("is_categorical", "u1"), ("bitset_idx", "<u4"),
]  # fmt: skip
_DTYPES = [np.dtype(one) for one in (_NODE, "<f8", "<f4", "<i8", "<i4", "<u8", "<u4", "u1", "bool")]
_BITSET = 8  # uint32 that hold one bit for each of 256 categories
_AXES = 2


def checked(artifact: Artifact) -> bytes:
    """What skops may read of a model.

    Returns:
        A new archive of the same objects and arrays; its answers are those of the file.

    Raises:
        StoreError: the file holds anything that our trainer does not write.
    """
    return _understood(artifact)[0]


def scores(artifact: Artifact) -> int:
    """K: how many classes the model knows.

    Raises:
        StoreError: see `checked`.
    """
    return _understood(artifact)[1]


def _understood(artifact: Artifact) -> tuple[bytes, int]:
    try:
        return _read(artifact.content)
    except (
        Refused,
        zipfile.BadZipFile,
        NotImplementedError,
        RecursionError,
        ValueError,
        KeyError,
        EOFError,
        OSError,
        struct.error,
    ) as error:
        raise StoreError(
            artifact.source,
            " ".join(str(error).split())[:300],
            "a .skops archive of gradient-boosted trees and nothing else, as this project's trainer writes it",
            "train the model again, by a run of the pipeline; never load a model of unknown origin",
        ) from error


def _read(content: bytes) -> tuple[bytes, int]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        is_array = _ARRAY_FILE.fullmatch
        members = plain_members(archive, content, known={SCHEMA}, others=lambda name: is_array(name) is not None)
        if members[SCHEMA] > _MAX_JSON:
            raise Refused(SCHEMA, f"{members[SCHEMA]:,} bytes")
        data = {name: archive.read(name) for name in members}
    walk = _Walk({name: _array(name, found) for name, found in data.items() if name != SCHEMA})
    document = walk.document(parse(data[SCHEMA], SCHEMA))
    unread = sorted(walk.arrays.keys() - walk.read)
    if unread:
        raise Refused(unread[0], "an array that nothing names")
    classes = walk.classes(document)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as written:
        for name in members:
            content = json.dumps(document).encode() if name == SCHEMA else data[name]
            written.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue(), classes


def _array(name: str, content: bytes) -> NDArray[Any]:
    """The array of a `.npy`, which is as large as it says, and of numbers."""
    if content[:8] != b"\x93NUMPY\x01\x00":
        raise Refused(name, "no array of NumPy's first format")
    start = 10 + struct.unpack_from("<H", content, 8)[0]
    header = content[10:start].decode("latin-1")
    if not 0 < len(header) <= 2000:
        raise Refused(name, "a header of another length")
    try:
        told = ast.literal_eval(header.strip())
        dtype = np.dtype([tuple(one) for one in told["descr"]] if isinstance(told["descr"], list) else told["descr"])
        shape, order = told["shape"], told["fortran_order"]
    except (ValueError, TypeError, SyntaxError, KeyError, MemoryError, RecursionError) as error:
        raise Refused(name, "no header of an array") from error
    if dtype not in _DTYPES or order is not False or not _is_shape(shape):
        raise Refused(name, f"an array of {dtype} {str(shape)[:60]}"[:120])
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(content) - start:
        raise Refused(name, f"{len(content) - start:,} bytes for an array of {dtype} {shape}"[:120])
    return np.frombuffer(content, dtype, count, start).reshape(shape)


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= _AXES
        and all(type(size) is int and 0 <= size <= 1 << 32 for size in shape)  # a flag is no size
    )


@dataclass(frozen=True)
class _Walk:
    """Goes through the document of a model, node by node.

    Attributes:
        arrays: by name of their files; read: the names of those that a node names.
        trees: arrays of each tree: nodes, and the categories that go left, by bin and as they are.
    """

    arrays: Mapping[str, NDArray[Any]]
    read: set[str] = field(default_factory=set)
    trees: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)

    def document(self, value: Any) -> Any:
        form = record(
            (),
            protocol=only(PROTOCOL),
            _skops_version=text(r"\d{1,4}(\.\w{1,20}){1,4}", "a version"),
            **_COMMON,
            content=self.node,
        )
        found = form(value, "")
        if _type_of(found) != ("ObjectNode", MODEL):
            raise Refused("", f"{_type_of(found)[1]}, where {MODEL} is written")
        return found

    def node(self, value: Any, where: str) -> Any:
        """Any node, of a type that a model is made of."""
        loader = str(value.get("__loader__")) if isinstance(value, dict) else ""
        make = _FORMS.get(loader)
        if make is None or where.count(".") > 2 * _MAX_DEPTH:
            raise Refused(where[-200:], f"{loader[:80]!r}, which no model of ours has there")
        found = make(self)(value, where)
        name = _type_of(found)[1]
        if name not in _TYPES[loader]:
            raise Refused(where[-200:], f"the type {name[:120]}, which no model of ours has")
        if loader == "PartialNode" and found["content"]["func"]["__loader__"] != "FunctionNode":
            raise Refused(where[-200:], "a call of something else than scikit-learn's check of an array")
        if name == _TREE:
            self.trees.append(_tree(self, found, where))
        return found

    def nodes(self, value: Any, where: str) -> Any:
        return items(self.node)(value, where)

    def fields(self, value: Any, where: str) -> Any:
        """What a dictionary holds: names that mean nothing to Python itself, or numbers → nodes."""
        if not isinstance(value, dict):
            raise Refused(where, "no object")
        for name in value:
            if re.fullmatch(rf"{_NAME}|\d{{1,9}}", name, re.ASCII) is None or name.startswith("__"):
                raise Refused(where, f"the name {name[:80]!r}")
        return {name: self.node(item, f"{where}.{name}") for name, item in value.items()}

    def file(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in self.arrays:
            raise Refused(where, f"{str(value)[:80]!r}, which is no array of the archive")
        self.read.add(value)
        return value

    def of(self, fields: Mapping[str, Any], name: str, where: str) -> NDArray[Any]:
        """The array that a field holds."""
        node = fields.get(name)
        if node is None or node["__loader__"] != "NdArrayNode":
            raise Refused(where, f"no array {name}")
        return self.arrays[node["file"]]

    def classes(self, document: Any) -> int:
        """K; once every link of every tree is known to lead to a later node, and every feature to be there."""
        fields = _fields(document, "")
        known = self.of(fields, "classes_", "classes_")
        names = fields.get("_bin_mapper", {})
        thresholds = _fields(names, "_bin_mapper").get("bin_thresholds_", {})
        count = fields.get("n_features_in_", {})
        features = len(thresholds["content"]) if thresholds.get("__loader__") == "ListNode" else 0
        if not features or count.get("content") != str(features):
            raise Refused("n_features_in_", "another number than there are thresholds of bins")
        if known.ndim != 1 or known.dtype != np.int64 or not np.array_equal(known, np.arange(len(known))):
            raise Refused("classes_", "other classes than numbers from 0")
        per_round = 1 if len(known) == 2 else len(known)
        rounds = fields.get("_predictors", {})
        if len(known) < 2 or not _are_rounds(rounds, per_round) or not self.trees:
            raise Refused("_predictors", f"no trees, {per_round} a round")
        for number, tree in enumerate(self.trees):
            _check_links(tree, features, f"tree {number}")
        return len(known)


def _type_of(node: Any) -> tuple[str, str]:
    return node["__loader__"], f"{node['__module__']}.{node['__class__']}"


def _fields(node: Any, where: str) -> Mapping[str, Any]:
    """The attributes of an object."""
    content = node.get("content") if isinstance(node, dict) else None
    if not isinstance(content, dict) or content.get("__loader__") != "DictNode":
        raise Refused(where, "no object with attributes")
    found: Mapping[str, Any] = content["content"]
    return found


def _tree(walk: _Walk, node: Any, where: str) -> Mapping[str, NDArray[Any]]:
    fields = _fields(node, where)
    names = ("nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets")
    if set(fields) != set(names):
        raise Refused(where, f"a tree of {', '.join(sorted(fields))[:200]}")
    return {name: walk.of(fields, name, where) for name in names}


def _are_rounds(node: Any, per_round: int) -> bool:
    """Whether it is a list of lists of so many trees."""
    return node.get("__loader__") == "ListNode" and all(
        one["__loader__"] == "ListNode"
        and [_type_of(tree) for tree in one["content"]] == [("ObjectNode", _TREE)] * per_round
        for one in node["content"]
    )


def _check_links(tree: Mapping[str, NDArray[Any]], features: int, where: str) -> None:
    nodes, bitsets = tree["nodes"], tree["raw_left_cat_bitsets"]
    if nodes.dtype != np.dtype(_NODE) or nodes.ndim != 1 or not len(nodes):
        raise Refused(where, "no nodes")
    for found in (bitsets, tree["binned_left_cat_bitsets"]):
        if found.dtype != np.uint32 or found.shape != (len(bitsets), _BITSET):
            raise Refused(where, f"sets of categories of {found.dtype} {found.shape}")
    inner = nodes["is_leaf"] == 0
    places = np.flatnonzero(inner)
    links = np.stack([nodes["left"][inner], nodes["right"][inner]]).astype(np.int64)
    if (links <= places).any() or (links >= len(nodes)).any():
        raise Refused(where, "a node whose child is not a later node")
    feature = nodes["feature_idx"][inner]
    if (feature < 0).any() or (feature >= features).any():
        raise Refused(where, "a node that asks for a feature that is not there")
    if (nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)] >= len(bitsets)).any():
        raise Refused(where, "a node whose categories are not there")


_COMMON = {
    "__class__": text(_NAME, "the name of a type"),
    "__module__": text(rf"{_NAME}(\.{_NAME}){{0,6}}", "the name of a module"),
    "__loader__": text(r"[A-Za-z]{1,40}", "the name of a loader"),
}
_TYPE = record((), **_COMMON)


def _holding(**fields: Callable[[_Walk], Any]) -> Callable[[_Walk], Any]:
    """The form of a node with these fields beside the name of its type."""
    return lambda walk: record((), **_COMMON, **{name: made(walk) for name, made in fields.items()})


_PLACE = nothing_or(integer())
_FORMS: Mapping[str, Callable[[_Walk], Any]] = {
    "ObjectNode": _holding(content=lambda walk: walk.node),
    "LossNode": _holding(content=lambda walk: walk.node, __reduce__=lambda walk: record(args=walk.node)),
    "NdArrayNode": _holding(type=lambda walk: only("numpy"), file=lambda walk: walk.file),
    "RandomGeneratorNode": _holding(content=lambda walk: record(bit_generator=walk.node, seed_seq=walk.node)),
    "DictNode": _holding(content=lambda walk: walk.fields, key_types=lambda walk: walk.node),
    "ListNode": _holding(content=lambda walk: walk.nodes),
    "TupleNode": _holding(content=lambda walk: walk.nodes),
    "JsonNode": _holding(content=lambda walk: text(_VALUE.pattern, "a value of JSON"), is_json=lambda walk: flag),
    "SliceNode": _holding(content=lambda walk: record(start=_PLACE, stop=_PLACE, step=_PLACE)),
    "TypeNode": lambda walk: _TYPE,
    "PartialNode": _holding(
        content=lambda walk: record(func=walk.node, args=walk.node, kwds=walk.node, namespace=walk.node)
    ),
    "FunctionNode": lambda walk: _TYPE,
}
