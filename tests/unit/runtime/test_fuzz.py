"""Damaged and hostile archives by the thousand: refused by one error, or read as what they are; in bounded time."""

from __future__ import annotations

import copy
import io
import json
import random
import resource
import struct
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.errors import StoreError
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.pt2_archive import checked

SEED = 20_261_128
IMAGES = np.zeros((2, 8, 8, 1), np.uint8)
JSON = (
    "archive/models/model.json",
    "archive/data/weights/model_weights_config.json",
    "archive/data/constants/model_constants_config.json",
)


def hostile(canary: Path) -> list[Any]:
    code = f"__import__('os').system('touch {canary}')"
    return [
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        -(2**63),
        10**40,
        0.5,
        "Infinity",
        "NaN",
        "",
        "\0",
        "../../x",
        "a" * 10_000,
        [],
        {},
        [[]],
        [None],
        {"as_int": 2**40},
        {"as_name": code},
        code,
        f"Integer({code})",
        f"Symbol('{code}')",
        "s34",
        "Integer(9)",
        "torch.os.system",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.sigmoid.default",
        "torch.ops.aten.mul.Tensor",
        "_operator.add",
        {"as_operator": "torch.os.system"},
        {"as_string": code},
        {"as_expr": {"expr_str": code, "hint": None}},
        {"as_tensor": {"name": "images"}},
        {"as_ints": [2**40] * 4},
        "images",
        "weight_0",
        "cpu",
        "cuda",
        7,
        13,
        "archive/data/weights/weight_1",
    ]


class Mutator:
    """One way after the other to spoil an archive, drawn from a seed."""

    def __init__(self, content: bytes, canary: Path) -> None:
        self.content = content
        self.values = hostile(canary)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.members = [(name, archive.read(name)) for name in archive.namelist()]
        self.documents = {name: json.loads(data) for name, data in self.members if name in JSON}

    def mutant(self, draw: random.Random) -> bytes:
        kind = draw.choice(
            (self.of_bytes, self.of_structure, self.of_members, self.of_json, self.of_json, self.of_json)
        )
        return kind(draw)

    def of_bytes(self, draw: random.Random) -> bytes:
        data = bytearray(self.content)
        for _ in range(draw.choice((1, 1, 2, 8, 64))):
            # Half of them where zip keeps its directory, and the JSON lies; most of a file is weights.
            at = draw.randrange(len(data) * draw.choice((0, 3)) // 4, len(data))
            how = draw.randrange(4)
            if how == 0:
                data[at] ^= 1 << draw.randrange(8)
            elif how == 1:
                data[at : at + draw.randrange(1, 200)] = b""
            elif how == 2:
                data[at:at] = draw.randbytes(draw.randrange(1, 40))
            else:
                data[at : at + 4] = struct.pack("<I", draw.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)))
            if not data:
                break
        return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.1 else data)

    def of_structure(self, draw: random.Random) -> bytes:
        members = list(self.members)
        at, other = draw.randrange(len(members)), draw.randrange(len(members))
        name, data = members[at]
        how = draw.randrange(6)
        if how == 0:
            del members[at]
        elif how == 1:
            members.append((name, members[other][1]))
        elif how == 2:
            members[at] = (
                draw.choice((members[other][0], name.upper(), "/" + name, name + "/", "../" + name, "")),
                data,
            )
        elif how == 3:
            draw.shuffle(members)
        elif how == 4:
            members[at], members[other] = (name, members[other][1]), (members[other][0], data)
        else:
            members.append(
                (f"archive/{draw.choice(('extra/a', 'data/aotinductor/model/a.so', 'models/other.json'))}", data)
            )
        return self._zip(members, draw.choice((zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED,)))

    def of_members(self, draw: random.Random) -> bytes:
        """Other content under a right checksum."""
        members = list(self.members)
        at = draw.randrange(len(members))
        name, data = members[at]
        spoiled = bytearray(data or b"\0")
        for _ in range(draw.choice((1, 4))):
            spoiled[draw.randrange(len(spoiled))] = draw.randrange(256)
        if draw.random() < 0.3:
            spoiled = spoiled[: draw.randrange(len(spoiled) + 1)]
        members[at] = (name, bytes(spoiled))
        return self._zip(members)

    def of_json(self, draw: random.Random) -> bytes:
        name = draw.choice((JSON[0], JSON[0], JSON[0], JSON[1], JSON[2]))
        document = copy.deepcopy(self.documents[name])
        for _ in range(draw.choice((1, 1, 1, 3))):
            place = document
            while isinstance(place, (dict, list)) and place:  # down to a leaf, or not quite
                key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not isinstance(place[key], (dict, list)) or not place[key] or draw.random() < 0.08:
                    self._spoil(place, key, draw)
                    break
                place = place[key]
        return self._zip([(n, json.dumps(document).encode() if n == name else data) for n, data in self.members])

    def _spoil(self, place: Any, key: Any, draw: random.Random) -> None:
        how = draw.randrange(8)
        if how == 0:
            del place[key]
        elif how == 1 and isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        elif how == 1:
            place[str(draw.choice(self.values))[:300]] = place[key]
        elif how == 2 and isinstance(place[key], int):
            place[key] += draw.choice((-1, 1))
        else:
            place[key] = copy.deepcopy(draw.choice(self.values))

    @staticmethod
    def _zip(members: list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
        target = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(target, "w", how) as written:
            warnings.simplefilter("ignore")  # of names that stand twice
            for name, data in members:
                info = zipfile.ZipInfo(name)
                info.compress_type = how
                written.writestr(info, data)
        return target.getvalue()


def documents(given: bytes) -> dict[str, bytes]:
    """All that torch is given but the bytes of the tensors."""
    with zipfile.ZipFile(io.BytesIO(given)) as archive:
        names = [name for name in archive.namelist() if name in JSON]
        return {name: archive.read(name) for name in names}


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutants_run_nothing_hang_nowhere_and_end_in_one_error(count: int, program: bytes, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    mutator, right = Mutator(program, canary), documents(checked(Artifact(program, "", "right")))
    draw = random.Random(SEED + count)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = same = other = 0
    for number in range(count):
        mutant = Artifact(mutator.mutant(draw), "", f"mutant {number}")
        started = time.monotonic()
        try:
            given = checked(mutant)
        except StoreError:
            refused += 1
            continue
        finally:
            assert time.monotonic() - started < 5, mutant.source
        if documents(given) == right:  # the same program, with the same or with other weights
            same += 1
            continue
        other += 1  # another program within the grammar: such as a network of ours might be
        try:
            with load(mutant) as model:
                model(IMAGES)
        except StoreError:
            pass  # torch found that it does not fit together
    assert not canary.exists()
    assert refused > 0.6 * count and same > 0 and other > 0, (refused, same, other)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    assert grown_mb < 300, grown_mb
