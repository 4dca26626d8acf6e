"""From a data set to a promoted or refused model: the stages of `augment_ops.pipeline`, wired."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule
from alert_channels import RunFailed
from stage_tasks import AskForApproval, ReportOperator, StageOperator

_POLICIES = Path(os.environ.get("AUGMENT_OPS_POLICIES") or Path(__file__).resolve().parents[1] / "policies")


def _names(folder: str) -> list[str]:
    """Names of the files of a folder of policies/, for a dropdown."""
    return sorted(path.stem for path in (_POLICIES / folder).glob("*.yaml"))


def _data_sets() -> list[str]:
    """What the form proposes: the embedded data set, and what lies in datasets/ of the state folder."""
    home = Path(os.environ.get("AUGMENT_OPS_HOME") or Path(__file__).resolve().parents[1] / "var")
    return ["digits", *sorted(str(path) for path in (home / "datasets").glob("[!.]*"))]


def _choice(default: str, folder: str, **kwargs: str) -> Param:
    return Param(default, type="string", enum=_names(folder), **kwargs)


# An empty field of type "string" is an error to the form, and its button stays dead.
_OPTIONAL = ["string", "null"]

DATA, TRAINING, DECISION = "Data and policy", "Training", "Decision"

PARAMS = {
    "dataset": Param(
        "digits", type="string", minLength=1, title="Data set", section=DATA, examples=_data_sets(),
        description="`digits`, or the path or URI of an image folder, tar, zip, IDX folder, .npz, or CSV/Parquet "
        "index. Clear the field to see what lies in datasets/ of the state folder.",
    ),
    "policy": _choice(
        "digits-robust", "augment", title="Policy", section=DATA,
        description="Augmentation policy of policies/augment/.",
    ),
    "delivery": Param(
        "online", type="string", enum=["online", "nearline", "offline"], title="Delivery mode", section=DATA,
        description="Augment while training; the same, kept in a cache for the next training; or write the augmented "
        "shards first. The samples are the same, byte for byte.",
    ),
    "cache_gib": Param(
        4.0, type="number", minimum=0, title="Cache of nearline delivery in GiB", section=DATA,
        description="What was used longest ago is removed when it is full.",
    ),
    "dataset_name": Param(
        "", type=_OPTIONAL, pattern="^([a-z0-9]+(-[a-z0-9]+)*)?$", maxLength=100, title="Name of the data set",
        section=DATA,
        description="Names the MLflow experiment and the registered model; empty takes it from the data set.",
    ),
    "image_size": Param(
        "", type=_OPTIONAL, pattern=r"^(\d+x\d+)?$", title="Image size", section=DATA,
        description="Height x width, such as 64x64, to resize to when reading; empty keeps the images as they are.",
    ),
    "channels": Param(
        "auto", type="string", enum=["auto", "1", "3", "as-is"], title="Grey and colour", section=DATA,
        description="1 reads everything as grey, 3 as colour; auto brings the rarer kind to the more frequent one, "
        "as-is leaves the rarer ones out.",
    ),
    "allow_outside": Param(
        False, type="boolean", title="Files outside the data set", section=DATA,
        description="Links and index entries may lead outside the data set's folder. Only for data that you trust.",
    ),
    "max_samples": Param(
        0, type="integer", minimum=0, title="Samples at most", section=DATA, description="0 takes all."
    ),
    "model": Param(
        "augment_ops.training.models:small_cnn", type="string", minLength=1, title="Network", section=TRAINING,
        description="package.module:factory of a function (input_shape, classes) -> torch.nn.Module.",
    ),
    "seed": Param(
        7, type="integer", minimum=0, title="Seed", section=TRAINING, description="Decides every random choice."
    ),
    "epochs": Param(
        0, type="integer", minimum=0, maximum=10_000, title="Epochs", section=TRAINING,
        description="0 chooses by the size of the data set.",
    ),
    "batch_size": Param(64, type="integer", minimum=2, maximum=65_536, title="Batch size", section=TRAINING),
    "workers": Param(
        1, type="integer", minimum=0, maximum=64, title="Loader workers", section=TRAINING,
        description="Processes that augment while training.",
    ),
    "environment": Param(
        "dev", type="string", enum=["dev", "staging", "production"], title="Environment", section=DECISION,
        description="Production demands a person's approval.",
    ),
    "approval": Param(
        "auto", type="string", enum=["auto", "ml-lead"], title="Approval", section=DECISION,
        values_display={"auto": "auto: the gate alone decides", "ml-lead": "ml-lead: a named person decides"},
        description="Who lets a model through that passed the gate. Whoever triggers the run cannot approve it.",
    ),
    "gate": _choice("default", "gates", title="Gate", section=DECISION, description="Rules of policies/gates/."),
    "suite": _choice(
        "invariances", "stress", title="Stress suite", section=DECISION, description="Suite of policies/stress/."
    ),
    "quality": _choice(
        "default", "quality", title="Data quality", section=DECISION, description="Thresholds of policies/quality/."
    ),
    "drift": _choice("default", "drift", title="Drift", section=DECISION, description="Rules of policies/drift/."),
    "production_window": Param(
        "", type=_OPTIONAL, title="Production window", section=DECISION,
        description="Recent production images for the drift check; empty looks in the state folder.",
    ),
}  # fmt: skip

with DAG(
    dag_id="train_and_promote",
    description="Quality checks, augmentation, training, stress test, gate, promotion.",
    schedule=None,
    catchup=False,
    max_active_runs=4,  # a run that waits for a person's answer must not hold up the others
    tags=["augment-ops"],
    params=PARAMS,
    doc_md=__doc__,
    default_args={
        "owner": "augment-ops",
        # A service that comes back is worth waiting for; a refusal fails at once and is not retried.
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "on_failure_callback": RunFailed(),
    },
) as dag:
    with TaskGroup("data", prefix_group_id=False, tooltip="Is the data fit to learn from?"):
        ingest = StageOperator(stage="ingest")
        check_data = StageOperator(stage="check_data")
    with TaskGroup("augmentation", prefix_group_id=False, tooltip="Which policy, and what does it do?"):
        resolve_policy = StageOperator(stage="resolve_policy")
        augment = StageOperator(stage="augment")
        check_augmented = StageOperator(stage="check_augmented")
    with TaskGroup("training", prefix_group_id=False, tooltip="With the policy and without"):
        train_candidate = StageOperator(stage="train_candidate")
        train_control = StageOperator(stage="train_control")
    with TaskGroup("evaluation", prefix_group_id=False, tooltip="What do the models withstand?"):
        stress_test = StageOperator(stage="stress_test")
        check_drift = StageOperator(stage="check_drift")
    with TaskGroup("decision", prefix_group_id=False, tooltip="May the candidate become champion?"):
        decide = StageOperator(stage="decide")
        ask_approval = AskForApproval(
            task_id="ask_approval",
            subject="Promote this model to champion?",
            options=["Approve", "Reject"],
            params={"reason": Param("", type="string", title="Reason", description="Kept in the ledger.")},
            retries=0,
        )
        approve = StageOperator(
            stage="approve", answer_of="ask_approval", skip_unless="approved", trigger_rule=TriggerRule.NONE_FAILED
        )
        promote = StageOperator(stage="promote", skip_unless="promoted", trigger_rule=TriggerRule.NONE_FAILED)
    report = ReportOperator(stage="report", trigger_rule=TriggerRule.NONE_FAILED)

    ingest >> check_data >> resolve_policy >> augment >> check_augmented >> [train_candidate, train_control]
    [train_candidate, train_control] >> stress_test
    check_data >> check_drift
    [stress_test, check_drift] >> decide >> ask_approval >> approve >> promote >> report
    decide >> approve
