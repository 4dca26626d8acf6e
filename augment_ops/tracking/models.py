"""What was trained as an MLflow model: the trainer's artifact itself, byte for byte, and never a pickle.

MLflow's own flavours would write another file: `mlflow.pytorch.log_model` traces the network again. The folder that
they write is simple (MLmodel, data/model.pt2, requirements), so it is written here around the artifact. An exported
program stands in it in the flavours by which `mlflow.pytorch.load_model` and `mlflow.pyfunc.load_model` read it;
anything else in one of its own, by which they do not: a runtime of this project holds it against what a trainer writes
before anything is made of it.
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
from augment_ops.runtime import runtime
from augment_ops.runtime.artifact import FIRST_FORMAT, Artifact, read_artifact
from augment_ops.tracking.artifacts import local_path, write_folder
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import FORMAT_TAG, TAG, TrackedRun, quoted

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import Model

DIGEST_TAG = f"{TAG}model_digest"
ARTIFACT_TAG = f"{TAG}artifact"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What training hands over.

    Attributes:
        path: the artifact.
        model_digest: of what was learnt.
        input_example: (n, *shape).
        classes: names in the order of the scores.
        modality: of the samples; format: of the artifact.
    """

    path: Path
    model_digest: str
    input_example: np.ndarray
    classes: Sequence[str]
    modality: str
    format: str


def log_model(connection: Connection, run: TrackedRun, file: ModelFile) -> str:
    """Record an artifact as the run's model and return its URI. Call with the lock held."""
    if not zipfile.is_zipfile(file.path):  # as every format of ours is
        raise TrackingError(
            str(file.path), f"no .{file.format} archive", "a file that a trainer wrote", "train the model again"
        )
    client = connection.client
    tags = {DIGEST_TAG: file.model_digest, ARTIFACT_TAG: file_sha256(file.path)}
    if file.format != FIRST_FORMAT:
        tags[FORMAT_TAG] = file.format
    found = _search(connection, run, tags)
    if not found:
        client.create_logged_model(
            run.experiment_id,
            name="classifier",
            source_run_id=run.run_id,
            tags=tags,
            model_type=f"{file.modality}-classifier",
        )
        # The client repeats a request that got no answer, so there may be two of them: the first one counts.
        found = _search(connection, run, tags)
        for extra in found[1:]:
            client.delete_logged_model(extra.model_id)
    model = found[0]
    if str(model.status) != "READY":
        _upload(connection, model, file)
        client.finalize_logged_model(model.model_id, "READY")
    _link_to_run(connection, run, model)
    return str(model.model_uri)


def fetch_artifact(connection: Connection, location: str, artifact: str, format: str) -> Artifact:
    """The artifact of a model folder at `location`, read once and verified.

    Args:
        artifact: sha256 of the file; format: of it.

    Raises:
        StoreError: it is not there, its sha256 is not `artifact`, or no runtime knows the format.
    """
    folder, place = local_path(location), runtime(format).place
    if folder is not None:
        return read_artifact(folder / place, artifact, format)
    import mlflow.artifacts

    with scratch.folder("fetch") as temporary:
        fetched = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{location}/{place}", dst_path=str(temporary), tracking_uri=connection.uri
        )
        return read_artifact(Path(fetched), artifact, format)


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


def _upload(connection: Connection, model: LoggedModel, file: ModelFile) -> None:
    def fill(folder: Path) -> None:
        _write_model(folder, model, file)

    target = local_path(model.artifact_location)
    if target is not None:
        write_folder(fill, target)
        return
    with scratch.folder("upload") as temporary:
        folder = temporary / "model"
        folder.mkdir()
        fill(folder)
        connection.client.log_model_artifacts(model.model_id, str(folder))


def _write_model(folder: Path, model: LoggedModel, file: ModelFile) -> None:
    from mlflow.models import Model, ModelSignature
    from mlflow.models.utils import _save_example  # what MLflow's own flavours call
    from mlflow.types import Schema, TensorSpec

    place = runtime(file.format).place
    (folder / place).parent.mkdir()
    shutil.copyfile(file.path, folder / place)
    example = file.input_example
    # The input has no name: MLflow would hand a named tensor to the network as a dict, which its torch flavour refuses.
    entry = Model(
        artifact_path=model.artifact_location,
        run_id=model.source_run_id,
        model_uuid=model.model_id,
        model_id=model.model_id,
        signature=ModelSignature(
            inputs=Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
            outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(file.classes)))]),
        ),
        metadata={"classes": list(file.classes), DIGEST_TAG: file.model_digest},
    )
    _save_example(entry, example, str(folder))
    needs = runtime(file.format).libraries
    if file.format == FIRST_FORMAT:
        _add_flavours_of_torch(entry)
    else:
        versions = {f"{name.replace('-', '_')}_version": importlib.metadata.version(name) for name in needs}
        entry.add_flavor(file.format, model_data=place, **versions)
    entry.model_size_bytes = file.path.stat().st_size
    _write_environment(folder, needs)
    entry.save(str(folder / "MLmodel"))


def _add_flavours_of_torch(entry: Model) -> None:
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


def _write_environment(folder: Path, needs: Sequence[str]) -> None:
    # A local version such as 2.13.0+cpu is not on the package index.
    pins = [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in needs]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: [pip]\ndependencies: [-r requirements.txt]\n"
    )
