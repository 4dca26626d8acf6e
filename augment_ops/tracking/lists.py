"""How MLflow shows the runs of an experiment: columns that say what came of each, kept as a view that links open.

MLflow's own list begins with source, models and data set; which columns a person sees beside them each browser keeps
for itself. What can be kept for everybody is a saved view: a tag of the experiment that an address names. Its form is
the web page's own and stands in no reference, so `tests/unit/tracking/test_lists.py` holds it against the page of the
installed MLflow (docs/adr/0025-what-mlflow-shows.md).
"""

from __future__ import annotations

import json
import re

from augment_ops.names import NOTE_TAG
from augment_ops.tracking.connection import Connection
from augment_ops.tracking.values import VIEW, TrackedRun

VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
# What a person looks for first, by the names under which runs carry it (`augment_ops.pipeline.recorders.headline`).
TAGS = ("verdict", "outcome", "policy", "environment", "started_by", "cause")
METRICS = ("accuracy", "worst_gap", "tail_recall")
_WIDE = 110  # of a column, in the page's units
_MADE_MS = 1_767_225_600_000  # 2026-01-01; the page wants a time, and one of a clock would change the tag at every run


def view() -> str:
    """The saved view, as MLflow's page reads it."""
    columns = [f"tags.`{name}`" for name in TAGS[:1]] + [f"metrics.`{name}`" for name in METRICS]
    columns += [f"tags.`{name}`" for name in TAGS[1:]]
    state = {"selectedColumns": columns, "columnOrder": columns, "columnWidths": dict.fromkeys(columns, _WIDE)}
    return json.dumps({"name": "Verdicts", "createdAt": _MADE_MS, "updatedAt": _MADE_MS, "state": json.dumps(state)})


def describe_list(connection: Connection, run: TrackedRun, description: str) -> None:
    """Keep view and description with the run's experiment, where they differ. Call with the lock held."""
    client = connection.client
    known = client.get_experiment(run.experiment_id).tags
    if known.get(VIEW_TAG) != view():
        client.set_experiment_tag(run.experiment_id, VIEW_TAG, view())
    noted = known.get(NOTE_TAG)
    if noted != description and (noted is None or _words(noted) == _words(description)):
        client.set_experiment_tag(run.experiment_id, NOTE_TAG, description)


def _words(note: str) -> str:
    """A description without its addresses: what we wrote before, of a server at another one, is ours to replace."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", note)
