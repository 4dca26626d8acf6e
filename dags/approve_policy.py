"""Put a policy version before the people who may approve it, with what it costs and what it does."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param
from policy_tasks import AskAboutPolicy, ProposePolicy, RecordAnswer
from run_form import displays, names
from stage_tasks import ANSWERED
from task_guide import document

PARAMS = {
    "policy": Param(
        "digits-robust",
        type="string",
        title="Policy",
        enum=names("augment"),
        values_display=displays("augment"),
        description="The version that stands in policies/augment/ is published: it never changes again.",
    ),
    "environment": Param(
        "production",
        type="string",
        enum=["production", "staging", "dev"],
        title="Environment",
        description="What it is approved for; policies/environments.yaml says whose approval counts, and which "
        "environments ask for one (as shipped: production alone; staging wants the version proposed, dev nothing).",
    ),
    "dataset": Param(
        "digits",
        type="string",
        minLength=1,
        title="Data set",
        examples=["digits"],
        description="Whose samples the gallery shows: `digits`, or a path or URI.",
    ),
    "days": Param(180, type="integer", minimum=1, maximum=3650, title="Days for which the approval counts"),
}

with DAG(
    dag_id="approve_policy",
    description="Gallery and costs of a policy version, and a person's approval of it.",
    schedule=None,
    catchup=False,
    tags=["augment-ops"],
    params=PARAMS,
    default_args={"owner": "augment-ops", "retries": 2, "retry_delay": timedelta(seconds=10)},
) as dag:
    propose = ProposePolicy(task_id="propose")
    ask = AskAboutPolicy(task_id="ask", subject="Approve this augmentation policy?", **ANSWERED)
    propose >> ask >> RecordAnswer(task_id="record")
    document(dag)
