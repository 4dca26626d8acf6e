"""What the tracker hands out: plain values that can travel as JSON between tasks."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.runtime.artifact import FIRST_FORMAT

TAG = "augment_ops."  # prefix of every tag of ours
LEDGER_HEAD_TAG = f"{TAG}ledger_head"
FORMAT_TAG = f"{TAG}format"  # of the artifact, on models and versions; where it is missing, the first that there was
DISCOVERED_TAG = f"{TAG}discovered_policy_digest"  # on the run of a search: the policy that it found
_IDENTITY = ("pipeline_run", "snapshot_digest", "interface_digest", "policy", "policy_version", "policy_digest")
EXPERIMENTS = "augment-ops/"  # prefix of every experiment of ours
CHAMPION, CHALLENGER = "champion", "challenger"  # aliases; each environment has a champion of its own
PRODUCTION = "production"  # the environment whose champion is called `champion` and no more
PARENT_ROLE = "pipeline"  # value of the role tag on the one parent run of a pipeline run
PROMOTION_TAG = f"{TAG}promotion"  # on a parent run that has come to its end, whatever the gate said of the candidate
VIEW = "augment-ops"  # key of the list of runs that we keep with an experiment (see `augment_ops.tracking.lists`)


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

    @property
    def list_url(self) -> str:
        """Address of the list of the experiment's runs, with the columns that we keep; empty without a server."""
        page, mark, choice = self.url.partition("?")
        return f"{page.rpartition('/')[0]}?viewStateShareKey={VIEW}&{choice}" if mark else ""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        model: registered name, `<dataset>-classifier`.
        version: number as text, as MLflow writes it.
        model_digest: digest of the weights as training reported it.
        artifact: sha256 of the registered file.
        run_id: run of the candidate that became this version.
    """

    model: str
    version: str
    model_digest: str
    artifact: str
    run_id: str
    tags: dict[str, str]

    @property
    def format(self) -> str:
        """Of the registered file, as runtimes name it."""
        return self.tags.get(FORMAT_TAG, FIRST_FORMAT)

    @property
    def identity(self) -> dict[str, str]:
        """The tags that others rely on: which run, data, policy and interface the model is of. They never change."""
        return {f"{TAG}{name}": self.tags.get(f"{TAG}{name}", "") for name in _IDENTITY}


def experiment_name(dataset: str) -> str:
    """The experiment of a data set."""
    return f"{EXPERIMENTS}{dataset}"


def classifier_name(dataset: str) -> str:
    """The registered model of a data set."""
    return f"{dataset}-classifier"


def alias_of(environment: str) -> str:
    """The alias that names the champion of an environment: `champion`, `champion-staging`, `champion-dev`."""
    return CHAMPION if environment == PRODUCTION else f"{CHAMPION}-{environment}"


def environment_of(alias: str) -> str | None:
    """The environment whose champion an alias names, None where it names none."""
    if alias == CHAMPION:
        return PRODUCTION
    return alias.removeprefix(f"{CHAMPION}-") if alias.startswith(f"{CHAMPION}-") else None


def quoted(value: str) -> str:
    """`value` as a literal of MLflow's filter language, which knows no escapes.

    Raises:
        ValueError: a quote inside, which could not be searched for again.
    """
    if "'" in value:
        raise ValueError(f"{value!r} holds a quote, which MLflow cannot search for")
    return f"'{value}'"
