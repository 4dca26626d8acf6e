"""The one object that stages hold: every write may be repeated, and its errors are in this project's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from augment_ops.modalities import UNNAMED
from augment_ops.runtime import load
from augment_ops.runtime.artifact import FIRST_FORMAT, Artifact
from augment_ops.runtime.base import Model
from augment_ops.tracking import artifacts, lists, models, registry, roots, runs
from augment_ops.tracking.connection import Connection, answering
from augment_ops.tracking.values import PRODUCTION, RegisteredVersion, TrackedRun

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


class MlflowTracker:
    """MLflow as this project uses it; made by `connect`.

    Every method raises TrackingError where MLflow does not answer or refuses, and StoreError where a disk is full.
    Every write is idempotent: repeated after a kill at any point it leaves one run a role, one model, one version.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return self._connection.uri

    def check(self) -> None:
        """Ask the store something cheap; a refused connection is known within 10 s."""
        with answering(self.uri, "answer"):
            self._connection.client.search_experiments(max_results=1)

    def open_run(
        self, dataset: str, pipeline_run: str, role: str | None = None, tags: Mapping[str, str] = _NO_TAGS
    ) -> TrackedRun:
        """The run of `pipeline_run` and `role`, made where it is absent, in the experiment `augment-ops/<dataset>`.

        Args:
            role: `candidate` or `control` for a nested run; None for the parent, which is made for either.
            tags: set on the run itself, not on the parent of a nested one.
        """
        with self._connection.exclusive(f"open the run of {pipeline_run}"):
            return runs.open_run(self._connection, dataset, pipeline_run, role, tags)

    def finish_run(self, run: TrackedRun, status: Literal["FINISHED", "FAILED"]) -> None:
        """End the run with that status."""
        with answering(self.uri, "end a run"):
            runs.finish_run(self._connection, run, status)

    def name_run(self, run: TrackedRun, name: str) -> None:
        """Call the run so in MLflow's lists."""
        with answering(self.uri, "name a run"):
            runs.name_run(self._connection, run, name)

    def describe_list(self, run: TrackedRun, description: str) -> None:
        """Keep with the run's experiment the columns that people look for, and say what it holds.

        Args:
            description: Markdown; one that a person has written is left as it is.
        """
        with self._connection.exclusive("describe the list of runs"):
            lists.describe_list(self._connection, run, description)

    def ledger_heads(self) -> dict[str, str]:
        """Heads of the ledger that runs have noted → where."""
        with answering(self.uri, "list the heads of the ledger"):
            return runs.ledger_heads(self._connection)

    def note_root(self, digest: str, number: int, installation: str) -> None:
        """Note which root document is in force; noted again it changes nothing."""
        tags = roots.tags_of(digest, number, installation)
        run = self.open_run(roots.GOVERNANCE, f"root:{installation}:{number}", tags=tags)
        self.finish_run(run, "FINISHED")

    def noted_roots(self) -> dict[str, tuple[int, str]]:
        """Installation → number and digest of the newest root document that was noted here."""
        with answering(self.uri, "list the root documents"):
            return roots.noted_roots(self._connection)

    def log_params(self, run: TrackedRun, params: Mapping[str, str | int | float]) -> None:
        """Record parameters; another value for one that is there is refused, as MLflow never changes one."""
        with answering(self.uri, "log parameters"):
            runs.log_params(self._connection, run, params)

    def log_metrics(self, run: TrackedRun, metrics: Mapping[str, float], step: int = 0, *, once: bool = False) -> None:
        """Record metrics of one step in one batch; NaN is kept. See `log_curve`."""
        self.log_curve(run, [(name, value, step) for name, value in metrics.items()], once=once)

    def log_curve(self, run: TrackedRun, points: Sequence[tuple[str, float, int]], *, once: bool = False) -> None:
        """Record points (name, value, step) in one batch; a point that is there is not written again.

        Args:
            once: nor is another value of a step that is there, as measured times are where a stage is tried again.
        """
        with self._connection.exclusive("log metrics"):
            runs.log_curve(self._connection, run, points, once=once)

    def log_bytes(self, run: TrackedRun, data: bytes, path: str) -> None:
        """Store an artifact such as `report/report.html`; what was there is replaced, never half."""
        with self._connection.exclusive(f"store {path}"):
            artifacts.log_bytes(self._connection, run, data, path)

    def log_dataset(
        self,
        run: TrackedRun,
        name: str,
        digest: str,
        context: str,
        shape: Sequence[int],
        counts: Mapping[str, int],
        source: str,
    ) -> None:
        """Record a data set as input of the run, named `<name>.<context>`.

        Args:
            digest: our own sha256; MLflow keeps its first 36 characters, a tag on the input the whole.
            context: `train`, `validation`, `test`, `stress` …
            shape: of one sample, (H, W, C).
            counts: samples by class.
        """
        with self._connection.exclusive(f"log the data set {name}"):
            runs.log_dataset(self._connection, run, name, digest, context, shape, counts, source)

    def log_model(
        self,
        run: TrackedRun,
        artifact: Path,
        model_digest: str,
        input_example: np.ndarray,
        classes: Sequence[str],
        *,
        modality: str = UNNAMED,
        format: str = FIRST_FORMAT,
    ) -> str:
        """Record a trainer's artifact, byte for byte, as the run's model.

        Args:
            artifact: the file; samples (N, *shape) in, float32 (N, K) scores out.
            model_digest: of what was learnt.
            input_example: (n, *shape), a few samples.
            classes: K names in the order of the scores.
            modality: of the samples; format: of the artifact.

        Returns:
            URI of the model, `models:/m-…`.
        """
        with self._connection.exclusive("log the model"):
            file = models.ModelFile(
                path=artifact,
                model_digest=model_digest,
                input_example=input_example,
                classes=classes,
                modality=modality,
                format=format,
            )
            return models.log_model(self._connection, run, file)

    def register_policy(self, name: str, version: str, digest: str, content: bytes, run: TrackedRun) -> str:
        """Register a policy as a version of `policy.<name>`, keep its file with the run, and return MLflow's number.

        Raises:
            PolicyError: that version is registered with another digest.
        """
        with self._connection.exclusive(f"register policy {name} {version}"):
            return registry.register_policy(self._connection, name, version, digest, content, run)

    def describe_policy(self, name: str, version: str, description: str, tags: Mapping[str, str]) -> None:
        """Say of a registered policy version where its gallery and costs are."""
        with self._connection.exclusive(f"describe policy {name} {version}"):
            registry.describe_policy(self._connection, name, version, description, tags)

    def discovered_digest(self, run_id: str) -> str | None:
        """Digest of the policy that a search found, as its run says; empty where it found none, None without a run."""
        with answering(self.uri, f"find run {run_id}"):
            return runs.discovered_digest(self._connection, run_id)

    def register_challenger(
        self,
        dataset: str,
        pipeline_run: str,
        run: TrackedRun,
        model_uri: str,
        tags: Mapping[str, str],
        description: str,
    ) -> str:
        """Register the candidate as a version of `<dataset>-classifier` with the alias `challenger`.

        Args:
            run: the candidate's.
            model_uri: what `log_model` returned.
        """
        with self._connection.exclusive(f"register the challenger of {pipeline_run}"):
            return registry.register_challenger(
                self._connection, dataset, pipeline_run, run, model_uri, tags, description
            )

    def describe_version(self, dataset: str, version: str, description: str) -> None:
        """Say on the page of a registered version what it is and where its evidence is, in Markdown."""
        with answering(self.uri, f"describe version {version}"):
            registry.describe_version(self._connection, dataset, version, description)

    def champion(self, dataset: str, environment: str = PRODUCTION) -> RegisteredVersion | None:
        """The version that MLflow's alias names, or None. Who is champion the ledger says: ask `pipeline.champion`."""
        with answering(self.uri, "name the champion"):
            return registry.champion(self._connection, dataset, environment)

    def named_champion(self, dataset: str, environment: str) -> str | None:
        """Number of the version that the environment's alias names."""
        with answering(self.uri, "name the champion"):
            return registry.named_champion(self._connection, dataset, environment)

    def named_champions(self) -> dict[str, dict[str, str]]:
        """Data set → environment → number of the version, for every alias of a champion that MLflow has."""
        with answering(self.uri, "list the champions"):
            return registry.named_champions(self._connection)

    def find_version(self, dataset: str, version: str) -> RegisteredVersion | None:
        """A registered version by number, None where there is none."""
        with answering(self.uri, f"find version {version}"):
            return registry.find_version(self._connection, dataset, version)

    def version(self, dataset: str, version: str) -> RegisteredVersion:
        """A registered version by number."""
        with answering(self.uri, f"find version {version}"):
            return registry.registered(self._connection, dataset, version)

    def promote(self, dataset: str, version: str, expected_champion: str | None, environment: str = PRODUCTION) -> None:
        """Move the environment's alias to `version`, and keep the number of the one before in a tag.

        Raises:
            GovernanceError: the champion is neither `expected_champion` nor `version`; nothing was changed.
        """
        with self._connection.exclusive(f"promote version {version}"):
            registry.promote(self._connection, dataset, version, expected_champion, environment)

    def forget_champion(self, dataset: str, environment: str) -> None:
        """Remove the alias of an environment's champion, where there is one."""
        with self._connection.exclusive(f"remove the alias of {environment}"):
            registry.forget_champion(self._connection, dataset, environment)

    def in_quarantine(self, dataset: str) -> list[RegisteredVersion]:
        """Versions of a data set that carry the tag of a quarantine."""
        with answering(self.uri, "list what is in quarantine"):
            return registry.in_quarantine(self._connection, dataset)

    def admissible(self, version: RegisteredVersion) -> None:
        """Raise GovernanceError where a version may not become champion."""
        with answering(self.uri, f"look at version {version.version}"):
            registry.check_admissible(self._connection, version)

    def quarantine(self, dataset: str, version: str, reason: str) -> None:
        """Show that a version may not become champion again; the ledger is what says it."""
        self.set_version_tags(dataset, version, {registry.QUARANTINE_TAG: reason})

    def set_version_tags(self, dataset: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags on a registered version."""
        with answering(self.uri, f"tag version {version}"):
            registry.set_version_tags(self._connection, dataset, version, tags)

    def download_model(self, dataset: str, version: str, artifact: str = "") -> Artifact:
        """The content of a registered version's file, its sha256 verified.

        Args:
            artifact: the sha256 that the ledger names; by default that of the version's tag, which is MLflow's word.
        """
        with answering(self.uri, f"hand out version {version}"):
            return registry.download_model(self._connection, dataset, version, artifact)

    def load_model(self, dataset: str, version: str, artifact: str = "") -> Model:
        """A registered version, to be asked in processes of its own; close it when done. See `download_model`."""
        return load(self.download_model(dataset, version, artifact))

    def check_file(self, dataset: str, version: str) -> None:
        """Read a registered version's file anew.

        Raises:
            StoreError: it is not there, or its sha256 is not the one in the version's tag.
        """
        self.download_model(dataset, version)
