"""Registered models: policies, challengers, the champion. Aliases move here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from augment_ops.errors import ActRefused, GovernanceError, PolicyError, TrackingError
from augment_ops.runtime.artifact import Artifact
from augment_ops.tracking.artifacts import log_bytes
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.models import ARTIFACT_TAG, DIGEST_TAG, fetch_artifact
from augment_ops.tracking.values import (
    CHALLENGER,
    FORMAT_TAG,
    PRODUCTION,
    TAG,
    RegisteredVersion,
    TrackedRun,
    alias_of,
    classifier_name,
    environment_of,
    quoted,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PREVIOUS_TAG = f"{TAG}previous_champion"
QUARANTINE_TAG = f"{TAG}quarantined"  # holds the reason; it shows what an entry of the ledger says
_LONGEST = 5000  # characters of a version's description: MLflow's column, which PostgreSQL enforces
_VERSIONS_OF_MODEL = "mlflow.modelVersions"  # the tag by which MLflow's UI links a logged model to its versions


def register_policy(
    connection: Connection, name: str, version: str, digest: str, content: bytes, run: TrackedRun
) -> str:
    """Register a policy's version once, and keep its file with the run. Call with the lock held."""
    model = f"policy.{name}"
    tags = {f"{TAG}policy": name, f"{TAG}policy_version": version, f"{TAG}policy_digest": digest}
    _ensure_model(connection, model, f"Augmentation policy {name}; one version for each published version of its file.")
    known = _versions(connection, model, f"{TAG}policy_version", version)
    for entry in known:
        if entry.tags.get(f"{TAG}policy_digest") != digest:
            raise PolicyError(
                f"policy {name} {version}",
                f"content {digest[:12]}…",
                f"the published content {entry.tags.get(f'{TAG}policy_digest', '')[:12]}…",
                "give the changed policy a new version; a published version never changes",
            )
    log_bytes(connection, run, content, f"policy/{name}-{version}.yaml")  # each run shows what it was trained with
    if known:
        return str(known[0].version)
    source = f"runs:/{run.run_id}/policy" if connection.is_server else f"{run.artifact_uri}/policy"
    return _create_once(connection, model, source, run, tags, f"{name} {version}", f"{TAG}policy_version")


def describe_policy(connection: Connection, name: str, version: str, description: str, tags: Mapping[str, str]) -> None:
    """Set description and tags of a policy's version, where they differ. Call with the lock held."""
    model = f"policy.{name}"
    (entry,) = _versions(connection, model, f"{TAG}policy_version", version)
    if entry.description != description:
        connection.client.update_model_version(model, entry.version, description)
    for key, value in tags.items():
        if entry.tags.get(key) != value:
            connection.client.set_model_version_tag(model, entry.version, key, value)


def describe_version(connection: Connection, dataset: str, version: str, description: str) -> None:
    """Set the description of a classifier's version, where it differs; what MLflow has no room for is left out."""
    name, description = classifier_name(dataset), _fitting(description)
    if connection.client.get_model_version(name, version).description != description:
        connection.client.update_model_version(name, version, description)


def _fitting(description: str) -> str:
    if len(description) <= _LONGEST:
        return description
    return description[: _LONGEST - 1].rpartition("\n\n")[0] + "\n\n…"


def register_challenger(
    connection: Connection,
    dataset: str,
    pipeline_run: str,
    run: TrackedRun,
    model_uri: str,
    tags: Mapping[str, str],
    description: str,
) -> str:
    """Register the candidate of a pipeline run once and name it challenger. Call with the lock held."""
    name = classifier_name(dataset)
    logged = connection.client.get_logged_model(model_uri.rpartition("/")[2])
    own = {f"{TAG}pipeline_run": pipeline_run, **{key: logged.tags[key] for key in (DIGEST_TAG, ARTIFACT_TAG)}}
    own |= {FORMAT_TAG: logged.tags[FORMAT_TAG]} if FORMAT_TAG in logged.tags else {}
    kind = str(logged.model_type).replace("-", " ").capitalize()
    _ensure_model(connection, name, f"{kind} for {dataset}, trained and judged by AugmentOps.")
    known = _versions(connection, name, f"{TAG}pipeline_run", pipeline_run)
    if not known:
        source = model_uri if connection.is_server else logged.artifact_location
        version = _create_once(
            connection, name, source, run, {**tags, **own}, description, f"{TAG}pipeline_run", logged.model_id
        )
    elif known[0].tags.get(ARTIFACT_TAG) != own[ARTIFACT_TAG]:
        raise TrackingError(
            f"{name} version {known[0].version}",
            f"another model ({own[DIGEST_TAG][:12]}…) for pipeline run {pipeline_run}",
            f"the registered model {known[0].tags.get(DIGEST_TAG, '')[:12]}…",
            "start a new pipeline run: a registered version never changes",
        )
    else:
        version = str(known[0].version)
        set_version_tags(connection, dataset, version, tags)
    _link_versions(connection, name, version, logged.model_id, logged.tags.get(_VERSIONS_OF_MODEL))
    current = _alias(connection, name, CHALLENGER)
    if current is None or int(current) < int(version):  # a retry of an older run does not unseat a newer challenger
        connection.client.set_registered_model_alias(name, CHALLENGER, version)
    return version


def named_champion(connection: Connection, dataset: str, environment: str) -> str | None:
    """Number of the version that the environment's alias names, or None where there is none."""
    return _alias(connection, classifier_name(dataset), alias_of(environment))


def champion(connection: Connection, dataset: str, environment: str) -> RegisteredVersion | None:
    """The version that the environment's alias names, or None where there is none."""
    version = named_champion(connection, dataset, environment)
    return None if version is None else registered(connection, dataset, version)


def named_champions(connection: Connection) -> dict[str, dict[str, str]]:
    """Data set → environment → number of the version, for every alias of a champion that there is."""
    found: dict[str, dict[str, str]] = {}
    suffix, token = classifier_name(""), None
    while True:
        page = connection.client.search_registered_models(max_results=100, page_token=token)
        for model in page:
            # A search may leave aliases out; the model itself has them.
            aliases = connection.client.get_registered_model(model.name).aliases if model.name.endswith(suffix) else {}
            for alias, version in aliases.items():
                if (environment := environment_of(alias)) is not None:
                    found.setdefault(model.name.removesuffix(suffix), {})[environment] = str(version)
        if not (token := page.token):
            return found


def find_version(connection: Connection, dataset: str, version: str) -> RegisteredVersion | None:
    """The registered version of that number, or None where there is none (any more)."""
    from mlflow.exceptions import MlflowException

    try:
        return registered(connection, dataset, version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def registered(connection: Connection, dataset: str, version: str) -> RegisteredVersion:
    """The registered version of that number."""
    entry = connection.client.get_model_version(classifier_name(dataset), version)
    tags = dict(entry.tags)
    return RegisteredVersion(
        entry.name, str(entry.version), tags.get(DIGEST_TAG, ""), tags.get(ARTIFACT_TAG, ""), entry.run_id or "", tags
    )


def promote(
    connection: Connection, dataset: str, version: str, expected_champion: str | None, environment: str
) -> None:
    """Move the environment's alias to `version` if it still is where it is expected. Call with the lock held."""
    name, alias = classifier_name(dataset), alias_of(environment)
    entry = registered(connection, dataset, version)
    current = _alias(connection, name, alias)
    if current == version:
        return
    check_admissible(connection, entry)
    if current != expected_champion:
        raise GovernanceError(
            f"{name}, alias {alias}",
            f"version {current}" if current else "no champion",
            f"version {expected_champion}, which the decision compared with" if expected_champion else "no champion",
            "decide again: run the pipeline anew, so that the candidate is compared with the present champion",
        )
    tag = PREVIOUS_TAG if environment == PRODUCTION else f"{PREVIOUS_TAG}_{environment}"
    if current is not None:
        connection.client.set_model_version_tag(name, version, tag, current)
    elif tag in entry.tags:
        connection.client.delete_model_version_tag(name, version, tag)
    connection.client.set_registered_model_alias(name, alias, version)


def forget_champion(connection: Connection, dataset: str, environment: str) -> None:
    """Remove the environment's alias, where there is one."""
    if named_champion(connection, dataset, environment) is not None:
        connection.client.delete_registered_model_alias(classifier_name(dataset), alias_of(environment))


def in_quarantine(connection: Connection, dataset: str) -> list[RegisteredVersion]:
    """Versions of a data set that carry the tag of a quarantine."""
    found = connection.client.search_model_versions(f"name = {quoted(classifier_name(dataset))}")
    tagged = [entry for entry in found if QUARANTINE_TAG in entry.tags]
    return [registered(connection, dataset, str(entry.version)) for entry in tagged]


def check_admissible(connection: Connection, entry: RegisteredVersion) -> None:
    """Refuse a version whose model, under this number or another, is in quarantine."""
    for known in _versions(connection, entry.model, DIGEST_TAG, entry.model_digest):
        if QUARANTINE_TAG in known.tags:
            raise ActRefused(
                f"{entry.model} version {entry.version}",
                f"in quarantine since version {known.version}: {known.tags[QUARANTINE_TAG]}",
                "a model that may be champion",
                "choose another version or train a new one",
            )


def set_version_tags(connection: Connection, dataset: str, version: str, tags: Mapping[str, str]) -> None:
    """Set the tags that differ from what the version has."""
    name = classifier_name(dataset)
    known = connection.client.get_model_version(name, version).tags
    for key, value in tags.items():
        if known.get(key) != value:
            connection.client.set_model_version_tag(name, version, key, value)


def download_model(connection: Connection, dataset: str, version: str, artifact: str) -> Artifact:
    """The verified file of a registered version; held against its own tag where `artifact` is empty."""
    entry = registered(connection, dataset, version)
    location = connection.client.get_model_version_download_uri(entry.model, version)
    return fetch_artifact(connection, location, artifact or entry.artifact, entry.format)


def _ensure_model(connection: Connection, name: str, description: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        connection.client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _versions(connection: Connection, name: str, tag: str, value: str) -> list[ModelVersion]:
    wanted = f"name = {quoted(name)} and tags.`{tag}` = {quoted(value)}"
    return sorted(connection.client.search_model_versions(wanted), key=lambda entry: int(entry.version))


def _create_once(
    connection: Connection,
    name: str,
    source: str,
    run: TrackedRun,
    tags: Mapping[str, str],
    description: str,
    tag: str,
    model_id: str | None = None,
) -> str:
    client = connection.client
    client.create_model_version(name, source, run.run_id, dict(tags), description=description, model_id=model_id)
    # The client repeats a request that got no answer: where the first one was stored, the later one goes.
    found = _versions(connection, name, tag, tags[tag])
    for extra in found[1:]:
        client.delete_model_version(name, extra.version)
    return str(found[0].version)


def _link_versions(connection: Connection, name: str, version: str, model_id: str, known: str | None) -> None:
    # A server does this itself when the version is made; a SQLite store does not, and either may have been cut off.
    links = json.loads(known) if known else []
    if not any(link["name"] == name and str(link["version"]) == version for link in links):
        links.append({"name": name, "version": int(version)})
        connection.client.set_logged_model_tags(model_id, {_VERSIONS_OF_MODEL: json.dumps(links)})


def _alias(connection: Connection, name: str, alias: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        version = connection.client.get_registered_model(name).aliases.get(alias)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return None if version is None else str(version)
