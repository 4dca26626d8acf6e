"""What the tracker hands out: plain values that can travel as JSON between tasks."""

from __future__ import annotations

from dataclasses import dataclass

TAG = "augment_ops."  # prefix of every tag of ours
LEDGER_HEAD_TAG = f"{TAG}ledger_head"
DISCOVERED_TAG = f"{TAG}discovered_policy_digest"  # on the run of a search: the policy that it found
EXPERIMENTS = "augment-ops/"  # prefix of every experiment of ours
PARENT_ROLE = "pipeline"  # value of the role tag on the one parent run of a pipeline run


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run.

    Attributes:
        url: address in MLflow's UI where the tracking URI is a server's, else `mlflow:<run_id>`.
        artifact_uri: where the run's artifacts are kept; a path or a `file:` URI where they are local.
    """

    run_id: str
    experiment_id: str
    url: str
    artifact_uri: str

    def artifact_url(self, path: str) -> str:
        """Address of one of the run's artifacts in MLflow's UI."""
        page, mark, choice = self.url.partition("?")
        return f"{page}/artifacts/{path}{mark}{choice}"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        model: registered name, `<dataset>-classifier`.
        version: number as text, as MLflow writes it.
        model_digest: digest of the weights as training reported it.
        artifact: sha256 of the registered `.pt2` file.
        run_id: run of the candidate that became this version.
    """

    model: str
    version: str
    model_digest: str
    artifact: str
    run_id: str
    tags: dict[str, str]


def experiment_name(dataset: str) -> str:
    """The experiment of a data set."""
    return f"{EXPERIMENTS}{dataset}"


def classifier_name(dataset: str) -> str:
    """The registered model of a data set."""
    return f"{dataset}-classifier"


def quoted(value: str) -> str:
    """`value` as a literal of MLflow's filter language, which knows no escapes.

    Raises:
        ValueError: a quote inside, which could not be searched for again.
    """
    if "'" in value:
        raise ValueError(f"{value!r} holds a quote, which MLflow cannot search for")
    return f"'{value}'"
