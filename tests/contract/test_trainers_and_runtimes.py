"""Every trainer and every runtime, by the lists of their names, held against what they declare."""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib.metadata import version

import pytest

from augment_ops.errors import InputError, StoreError
from augment_ops.runtime import FORMATS, runtime
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import NAMES, trainer
from augment_ops.training.base import Budget
from support.places import ROOT


def empty_archive() -> bytes:
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    return content.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_trainer_is_had_by_its_name_and_writes_a_format_that_a_runtime_reads(name: str) -> None:
    found = trainer(name)
    assert found.name == name
    assert found.format in FORMATS
    assert found.entries(Budget(3, 16, 7)) >= 1
    found.check("", "cpu")
    assert found.device("cpu") == "cpu"
    with pytest.raises(InputError):
        found.check("", "cuda:999")
    with pytest.raises(InputError):
        found.check("no.such.module:network", "cpu")


@pytest.mark.parametrize("name", FORMATS)
def test_a_runtime_reads_its_own_format_alone_in_a_process_of_its_own(name: str) -> None:
    found = runtime(name)
    assert found.format == name
    assert (ROOT / "augment_ops" / "runtime" / f"isolated_{name}.py").is_file()
    assert [runtime(other).place for other in FORMATS].count(found.place) == 1
    assert all(version(library) for library in found.libraries), "those that read it here"
    for content in (b"", b"pickle", empty_archive()):
        artifact = Artifact(content, hashlib.sha256(content).hexdigest(), "contract", name)
        for refused in (found.checked, found.scores, lambda one: found.load(one, "cpu")):
            with pytest.raises(StoreError):
                refused(artifact)
