"""A fitted model as a `.skops` file whose bytes depend on the model alone.

skops names arrays and objects by where they lay in memory. Here arrays are named in the order in which the document
names them, and objects not at all: nothing in such a model is shared that would have to be told apart.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any


def skops_file(model: Any) -> bytes:
    """The content of the file."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as written:
        document = json.loads(written.read("schema.json"))
        names: dict[str, str] = {}
        document = _renamed(document, names)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for old, new in names.items():
                archive.writestr(zipfile.ZipInfo(new), written.read(old))
            archive.writestr(zipfile.ZipInfo("schema.json"), json.dumps(document, separators=(",", ":")))
    return target.getvalue()


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The document without identities; `names` gets the old and new name of each array."""
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _renamed(one, names) for key, one in value.items() if key != "__id__"}
    if value.get("__loader__") == "NdArrayNode":
        found["file"] = names.setdefault(value["file"], f"{len(names)}.npy")
    return found
