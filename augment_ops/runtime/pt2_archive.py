"""A `.pt2` held against what our exporter writes, before torch reads a byte of it.

torch's reader unpickles, resolves, compiles and evaluates what a file says, with the rights of whoever opens it. So a
file is read here first: its members, their sizes, their JSON by a grammar (`grammar.py`), its tensors by their bounds.
What torch is then given is not the file but a new one, written of what was understood: two readers of zip, or of JSON,
may differ in what they see, and torch sees only what was checked.
"""

from __future__ import annotations

import io
import json
import pickletools
import re
import struct
import zipfile
from typing import Any

from augment_ops.errors import StoreError
from augment_ops.runtime import grammar
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.phrases import Refused, parse
from augment_ops.runtime.plain_zip import plain_members

_MAX_JSON = 64 << 20  # a vision transformer of 24 layers has 3 MB
_ROOT = "archive/"
_MODEL, _SAMPLE = "models/model.json", "data/sample_inputs/model.pt"
_CONFIGS = {"weights": "weight", "constants": "tensor"}  # folder → what its files are called
_TEXTS = {
    "archive_format": rb"pt2",
    "archive_version": rb"0",
    ".data/version": rb"\d{1,3}\n",
    "byteorder": rb"little",
    ".data/serialization_id": rb"\d{1,64}",
}
_TENSOR_FILE = re.compile(r"data/(weights/weight|constants/tensor)_\d{1,6}", re.ASCII)
_ITEM_BYTES = (0, 1, 1, 2, 4, 8, 2, 4, 8, 4, 8, 16, 1, 2)  # by torch's schema.ScalarType; 0 is none
# All that a pickle of one example batch names; each makes a tensor, or an empty container, and nothing else.
_HARMLESS_GLOBALS = {
    "torch._utils _rebuild_tensor_v2",
    "torch ByteStorage",
    "torch FloatStorage",
    "torch IntStorage",
    "torch.storage UntypedStorage",
    "collections OrderedDict",
    "torch.serialization _get_layout",
}


def checked(artifact: Artifact) -> bytes:
    """What torch may read of a program.

    Returns:
        A new archive of the same graph and tensors; its answers are those of the file.

    Raises:
        StoreError: the file holds anything that our exporter does not write.
    """
    return _understood(artifact)[0]


def scores(artifact: Artifact) -> int:
    """K, as the graph has it: float32 (N, K) is what it ends with.

    Raises:
        StoreError: see `checked`, or the graph ends with something else.
    """
    graph = _understood(artifact)[1]["graph_module"]["graph"]
    try:
        (output,) = graph["outputs"]
        _, last = graph["tensor_values"][output["as_tensor"]["name"]]["sizes"]
        return int(last["as_int"])
    except (KeyError, ValueError, TypeError) as error:
        raise _refused(artifact, ValueError("a graph that does not end with one row of scores a sample")) from error


def _understood(artifact: Artifact) -> tuple[bytes, dict[str, Any]]:
    """The new archive, and the document of the graph."""
    try:
        return _checked(artifact.content)
    except (
        Refused,
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        KeyError,
        EOFError,
        OSError,
        struct.error,
    ) as error:
        raise _refused(artifact, error) from error


def _refused(artifact: Artifact, error: Exception) -> StoreError:
    return StoreError(
        artifact.source,
        " ".join(str(error).split())[:300],
        "a .pt2 archive of tensors and of a graph of known operators, as this project's exporter writes it",
        "export the network again, by a run of the pipeline; never load a model of unknown origin",
    )


def _checked(content: bytes) -> tuple[bytes, dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = _members(archive, content)
        for name, pattern in _TEXTS.items():
            if re.fullmatch(pattern, _read(archive, members, name, 100)) is None:
                raise Refused(name, "not what torch writes")
        _check_sample(_read(archive, members, _SAMPLE, _MAX_JSON))
        tensors = {folder: _tensors(archive, members, folder, file) for folder, file in _CONFIGS.items()}
        program = grammar.PROGRAM(parse(_read(archive, members, _MODEL, _MAX_JSON), _MODEL), "")
        grammar.check_order(program, tensors["weights"]["config"], tensors["constants"]["config"])
        documents = {_MODEL: grammar.what_torch_needs(program)}
        documents |= {_config(folder): found for folder, found in tensors.items()}
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as written:
            for name in members:
                if name in documents:
                    data = json.dumps(documents[name], allow_nan=False).encode()
                else:
                    # An example of the input is a pickle. torch needs none, and takes no bytes for that.
                    data = b"" if name == _SAMPLE else archive.read(_ROOT + name)
                written.writestr(zipfile.ZipInfo(_ROOT + name), data)
        return target.getvalue(), program


def _members(archive: zipfile.ZipFile, content: bytes) -> dict[str, int]:
    known = {_MODEL, _SAMPLE, *_TEXTS, *map(_config, _CONFIGS)}
    is_tensor = _TENSOR_FILE.fullmatch
    return plain_members(archive, content, root=_ROOT, known=known, others=lambda name: is_tensor(name) is not None)


def _read(archive: zipfile.ZipFile, members: dict[str, int], name: str, most: int) -> bytes:
    if members[name] > most:
        raise Refused(name, f"{members[name]:,} bytes")
    return archive.read(_ROOT + name)


def _config(folder: str) -> str:
    return f"data/{folder}/model_{folder}_config.json"


def _tensors(archive: zipfile.ZipFile, members: dict[str, int], folder: str, file: str) -> dict[str, Any]:
    """The tensors of a folder, each within its file, and no file that is none of theirs."""
    name = _config(folder)
    found: dict[str, Any] = grammar.payloads(file)(parse(_read(archive, members, name, _MAX_JSON), name), name)
    files = set()
    for path, entry in found["config"].items():
        member, meta = f"data/{folder}/{entry['path_name']}", entry["tensor_meta"]
        files.add(member)
        sizes, strides = ([value["as_int"] for value in meta[field]] for field in ("sizes", "strides"))
        if len(sizes) != len(strides) or member not in members:
            raise Refused(path, "a tensor without a file, or with other strides than sizes")
        reach = 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        last = 0 if 0 in sizes else meta["storage_offset"]["as_int"] + reach
        # A file of no bytes is a tensor of the stated size to torch, which sets it to zero: as much memory as it says.
        if last * _ITEM_BYTES[meta["dtype"]] > members[member] or members[member] % _ITEM_BYTES[meta["dtype"]]:
            raise Refused(path, "a tensor that reaches beyond its file")
    unread = sorted(m for m in members if m.startswith(f"data/{folder}/") and m not in files and m != name)
    if unread:
        raise Refused(unread[0], "a file that no tensor is read from")
    return found


def _check_sample(content: bytes) -> None:
    """The example input that torch saves beside a program: others, who load it with torch alone, unpickle it."""
    if not content:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as checkpoint:
        pickles = [info for info in checkpoint.infolist() if info.filename.endswith("data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > 10_000 or pickles[0].compress_type != zipfile.ZIP_STORED:
            raise Refused(_SAMPLE, "no example of the input")
        for operation, argument, _ in pickletools.genops(checkpoint.read(pickles[0])):
            if operation.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"):
                raise Refused(_SAMPLE, f"a pickle with {operation.name}")
            if operation.name == "GLOBAL" and argument not in _HARMLESS_GLOBALS:
                raise Refused(_SAMPLE, f"a pickle that names {str(argument)[:80]}")
