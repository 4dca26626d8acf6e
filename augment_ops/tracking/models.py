"""The trained network as an MLflow model: the exported program itself, byte for byte, and never a pickle.

`mlflow.pytorch.log_model` would trace the network again and write another program. The folder that it writes is
simple (MLmodel, data/model.pt2, requirements), so it is written here around the `.pt2` that training exported, in the
same flavours: `mlflow.pytorch.load_model` and `mlflow.pyfunc.load_model` read it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augment_ops import scratch
from augment_ops.errors import TrackingError
from augment_ops.runtime.artifact import Artifact, read_artifact
from augment_ops.tracking.artifacts import local_path, write_folder
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import TAG, TrackedRun, quoted

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

PROGRAM = "data/model.pt2"  # where the pytorch flavour of MLflow looks for an exported program
DIGEST_TAG = f"{TAG}model_digest"
ARTIFACT_TAG = f"{TAG}artifact"


@dataclass(frozen=True)
class ModelProgram:
    """What training hands over.

    Attributes:
        path: the `.pt2` that `torch.export.save` wrote.
        model_digest: of the weights.
        input_example: uint8 (n, H, W, C).
        classes: names in the order of the logits.
    """

    path: Path
    model_digest: str
    input_example: np.ndarray
    classes: Sequence[str]


def log_model(connection: Connection, run: TrackedRun, program: ModelProgram) -> str:
    """Record the exported program as the run's model and return its URI. Call with the lock held."""
    if not zipfile.is_zipfile(program.path):
        raise TrackingError(
            str(program.path), "no .pt2 archive", "a program written by torch.export.save", "export the network again"
        )
    client = connection.client
    tags = {DIGEST_TAG: program.model_digest, ARTIFACT_TAG: file_sha256(program.path)}
    found = _search(connection, run, tags)
    if not found:
        client.create_logged_model(
            run.experiment_id, name="classifier", source_run_id=run.run_id, tags=tags, model_type="image-classifier"
        )
        # The client repeats a request that got no answer, so there may be two of them: the first one counts.
        found = _search(connection, run, tags)
        for extra in found[1:]:
            client.delete_logged_model(extra.model_id)
    model = found[0]
    if str(model.status) != "READY":
        _upload(connection, model, program)
        client.finalize_logged_model(model.model_id, "READY")
    _link_to_run(connection, run, model)
    return str(model.model_uri)


def fetch_program(connection: Connection, location: str, artifact: str) -> Artifact:
    """The `.pt2` file of a model folder at `location`, read once and verified.

    Args:
        artifact: sha256 of the file.

    Raises:
        StoreError: it is not there, or its sha256 is not `artifact`.
    """
    folder = local_path(location)
    if folder is not None:
        return read_artifact(folder / PROGRAM, artifact)
    import mlflow.artifacts

    with scratch.folder("fetch") as temporary:
        fetched = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{location}/{PROGRAM}", dst_path=str(temporary), tracking_uri=connection.uri
        )
        return read_artifact(Path(fetched), artifact)


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _search(connection: Connection, run: TrackedRun, tags: dict[str, str]) -> list[LoggedModel]:
    wanted = " and ".join(
        [f"source_run_id = {quoted(run.run_id)}", *(f"tags.`{key}` = {quoted(value)}" for key, value in tags.items())]
    )
    found = connection.client.search_logged_models([run.experiment_id], wanted)
    return sorted(found, key=lambda model: (model.creation_timestamp, model.model_id))


def _link_to_run(connection: Connection, run: TrackedRun, model: LoggedModel) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = connection.client.get_run(run.run_id).outputs  # MLflow would add a second link
    if outputs is None or model.model_id not in {output.model_id for output in outputs.model_outputs}:
        connection.client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])


def _upload(connection: Connection, model: LoggedModel, program: ModelProgram) -> None:
    def fill(folder: Path) -> None:
        _write_model(folder, model, program)

    target = local_path(model.artifact_location)
    if target is not None:
        write_folder(fill, target)
        return
    with scratch.folder("upload") as temporary:
        folder = temporary / "model"
        folder.mkdir()
        fill(folder)
        connection.client.log_model_artifacts(model.model_id, str(folder))


def _write_model(folder: Path, model: LoggedModel, program: ModelProgram) -> None:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.utils import _save_example  # what MLflow's own flavours call
    from mlflow.types import Schema, TensorSpec

    (folder / PROGRAM).parent.mkdir()
    shutil.copyfile(program.path, folder / PROGRAM)
    # The input has no name: MLflow would hand a named tensor to the network as a dict, which its torch flavour refuses.
    entry = Model(
        artifact_path=model.artifact_location,
        run_id=model.source_run_id,
        model_uuid=model.model_id,
        model_id=model.model_id,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *program.input_example.shape[1:]))]),
            outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(program.classes)))]),
        ),
        metadata={"classes": list(program.classes), DIGEST_TAG: program.model_digest},
    )
    _save_example(entry, program.input_example, str(folder))
    entry.add_flavor("pytorch", model_data="data", pytorch_version=importlib.metadata.version("torch"), code=None)
    # What mlflow.pyfunc.add_to_model writes; importing that module takes longer than the rest of this function.
    entry.add_flavor(
        "python_function",
        loader_module="mlflow.pytorch",
        python_version=platform.python_version(),
        data="data",
        env={"virtualenv": "python_env.yaml"},
        config={"device": None},
    )
    entry.model_size_bytes = program.path.stat().st_size
    _write_environment(folder)
    entry.save(str(folder / "MLmodel"))


def _write_environment(folder: Path) -> None:
    # A local version such as 2.13.0+cpu is not on the package index.
    pins = [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in ("mlflow", "numpy", "torch")]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n"
    )
