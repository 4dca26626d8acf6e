"""What each DAG and task is to somebody who sees it for the first time: its *Docs* in Airflow, with links."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow.sdk import DAG


@dataclass(frozen=True)
class Guide:
    """One page of Airflow's *Docs*.

    Attributes:
        text: Markdown.
        pages: where it goes on, below docs/.
    """

    text: str
    pages: tuple[str, ...]

    @property
    def markdown(self) -> str:
        """The text with its links; those of MLflow and of the documentation as far as they are configured."""
        links = [_page(name) for name in self.pages]
        tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
        if tracking.startswith("http") and "@" not in urlsplit(tracking).netloc:
            links.insert(0, f"[MLflow]({tracking})")
        return f"{self.text.strip()}\n\n{' · '.join(links)}\n"


def _page(name: str) -> str:
    file, _, part = name.partition("#")
    base = os.environ.get("AUGMENT_OPS_DOCS", "").rstrip("/")
    return (
        f"[docs/{file}]({base}/{name})" if base.startswith("http") else f"`docs/{file}`{f' ({part})' if part else ''}"
    )


DAGS = {
    "train_and_promote": Guide(
        """
**From a data set to a model that may answer, or a refusal that says why.** One run reads a data set, checks it,
trains one model with an augmentation policy and one without, stress-tests both, and lets a gate decide. The digits
take about a minute.

1. Press *Trigger*. Every field is filled in; the first may stay empty, which is the digits.
2. What cannot end well is refused there, with what to do, or in `ingest` under *Why it stopped*.
3. With *Approval: ml-lead* the run waits in *Required Actions* for a person other than the one who triggered it.
4. The tab *Report* of the run has the verdict, the reasons, the pictures and what to do next. It can be read before
   anybody approves.

**A run that ends green is no promoted model**: a gate that says FAIL has done its work. The verdict is in *Report*,
and on the task `report`. Running a task again changes nothing where its inputs are the same.
""",
        ("pipeline.md", "your-own-data.md", "gate.md"),
    ),
    "approve_policy": Guide(
        """
**A policy version before the people who may approve it.** A policy is a file of `policies/augment/`: how samples are
altered in training. Production takes only approved ones; staging takes a version as soon as it was proposed, which
this DAG does first.

1. Press *Trigger*, and choose policy, environment and the data set whose samples are shown.
2. `propose` measures what the policy costs and draws its gallery: the button *Gallery and costs*.
3. Whoever may approve finds the question in *Required Actions*. Nobody approves what they proposed.
4. `record` enters the answer, signed, in the ledger: `augment-ops policy history` shows it.
""",
        ("governance.md",),
    ),
    "drift_monitor": Guide(
        """
**Watches production.** Every hour it takes each window of the prediction log that is due, compares it with what the
champion was trained on, and alerts where it moved. An alert that calls for a training starts one run of
`train_and_promote`, whose note says which alert.

Nothing has to be triggered. With *Until* the past is judged again; without a prediction log there is nothing to do.
The button *Drift report* on `watch` opens the page of the worst window.

The training's run id is made from the alert: Airflow makes a run of one id once, however often it is asked, so a
repeated alert, a busy pipeline or a scheduler that was killed neither loses a training nor doubles it. What is
started stands in the ledger: a run of such an id that no alert stands behind is refused.
""",
        ("drift.md", "operations.md"),
    ),
    "rollout": Guide(
        """
**A version beside the champion, step by step.** What passed the gate in an environment that names rules of a rollout
gets some of the requests: first beside the champion's answers, then in their place, more at each step. What is shown
to be worse goes back by itself.

1. Press *Trigger*, and choose data set and environment; version and rules may stay empty.
2. Each step is a task of its own under `step`. It waits until the step has passed, and is red with the reason where
   the version was rolled back.
3. Where the environment asks for a person, the question comes in *Required Actions* before the version answers
   everything. Nobody answers it who began the rollout or touched the run.
4. `end` is green where the version is champion now.

A service drives its rollout itself. Where none answers, the tasks do, once a minute. `augment-ops rollout status` has
the same, with the intervals; `pause`, `resume` and `abort` are commands.
""",
        ("rollout.md",),
    ),
}

TASKS = {
    "train_and_promote": {
        "ingest": Guide(
            "**Reads the data set** into a snapshot: every sample with an id, a label and a split, addressed by its "
            "content. Before that it looks at all that the run names. What could not end well is refused here, and "
            "*Why it stopped* says what to do.",
            ("your-own-data.md", "pipeline.md#what-would-stop-a-run"),
        ),
        "check_data": Guide(
            "**Is the data fit to learn from?** Damaged files, copies on both sides of a split, labels that contradict "
            "each other, classes that vanished. A check that fails stops the run; a warning is shown in the report.",
            ("quality-checks.md",),
        ),
        "resolve_policy": Guide(
            "**Fixes the one policy version** that the run may use, registers it in MLflow and measures what it costs "
            "a sample. Stops where the version breaks its domain's limits or the environment does not take it as it "
            "stands.",
            ("governance.md", "engine.md"),
        ),
        "augment": Guide(
            "**Plans the augmented samples**, or writes them first where *Delivery mode* is offline. They are the same "
            "in every mode, byte for byte: a sample follows from policy, seed, epoch and its id.",
            ("engine.md",),
        ),
        "check_augmented": Guide(
            "**What the policy does to the samples**: how many are saturated, empty, or no longer like their class. It "
            "stops nothing; the gate reads it. Originals beside copies are in MLflow under `pictures/`.",
            ("quality-checks.md",),
        ),
        "train_candidate": Guide(
            "**Trains the candidate**: the model with the policy, which may become champion. The curve is in MLflow.",
            ("pipeline.md",),
        ),
        "train_control": Guide(
            "**Trains the control**: the same model, seed and budget without augmentation. The difference to the "
            "candidate is what the policy did. A control that an earlier run trained from the same inputs is used "
            "again.",
            ("pipeline.md",),
        ),
        "stress_test": Guide(
            "**What the models withstand.** Candidate, control and champion answer every held-out sample, clean and "
            "under every corruption of the suite at severities 1 to 5. Usually the longest task.",
            ("stress.md",),
        ),
        "check_drift": Guide(
            "**Is the training data still like production?** Compares the newest production window with the snapshot. "
            "Without one it says so, and stops nothing.",
            ("drift.md",),
        ),
        "decide": Guide(
            "**The gate.** By written rules, from the answers sample by sample: PASS, FAIL, INVESTIGATE (not enough "
            "evidence) or ERROR. Only PASS promotes. The task is green whatever the verdict: it has decided.",
            ("gate.md",),
        ),
        "prepare_report": Guide(
            "**Makes the report before anybody is asked**, so that whoever approves decides from it: the tab *Report* "
            "of this run.",
            ("pipeline.md",),
        ),
        "ask_approval": Guide(
            "**Waits for a person**, where *Approval* names a role and the gate passed; skipped otherwise. The "
            "question is in *Required Actions*. Whoever triggered or touched the run cannot answer, and an answer "
            "needs a reason.",
            ("governance.md", "gate.md"),
        ),
        "approve": Guide(
            "**Enters the answer** in the ledger, signed. It is read back from Airflow's own record of who answered: "
            "marking a task as done approves nothing. Skipped where the gate or the person said no.",
            ("governance.md",),
        ),
        "promote": Guide(
            "**Makes the candidate champion** of its environment, after asking it once more whether it answers as the "
            "model that was judged. Skipped where it was not let through. `augment-ops rollback` goes back.",
            ("governance.md", "operations.md"),
        ),
        "report": Guide(
            "**The same report with what came of it.** *Report* here, or the tab *Report* of the run, opens it; "
            "*MLflow run* has the numbers, pictures and models behind it.",
            ("pipeline.md", "gate.md"),
        ),
    },
    "approve_policy": {
        "propose": Guide(
            "**Measures, draws and publishes the version** in the name of who triggered the run. Published content "
            "never changes again. Refused before that where nobody could answer so that it counts.",
            ("governance.md",),
        ),
        "ask": Guide(
            "**Waits for a person** who may approve policies and did not propose this one. The question, with costs "
            "and gallery, is in *Required Actions*; an answer needs a reason.",
            ("governance.md",),
        ),
        "record": Guide(
            "**Enters the answer** in the ledger, signed: approved for so many days, or rejected.", ("governance.md",)
        ),
    },
    "rollout": {
        "start": Guide(
            "**Begins the rollout** in the name of who triggered the run. Refused where no run let the version in "
            "beside the present champion, where another rollout runs there, or where its model is in quarantine.",
            ("rollout.md",),
        ),
        "step": Guide(
            "**Waits until the step has passed.** Red, with the reason, where the version was rolled back in it; "
            "skipped where the rollout ended before it.",
            ("rollout.md",),
        ),
        "until_asked": Guide(
            "**Waits until the rollout asks for a person**; skipped where the environment asks for none.",
            ("rollout.md", "governance.md"),
        ),
        "ask": Guide(
            "**Waits for a person** who may approve models there and neither began the rollout nor touched the run. "
            "The question, with what is known of each condition, is in *Required Actions*; an answer needs a reason.",
            ("rollout.md", "governance.md"),
        ),
        "record": Guide(
            "**Enters the answer** in the ledger, signed: the rollout goes on, or ends and the champion stays.",
            ("rollout.md",),
        ),
        "end": Guide(
            "**Waits until the rollout has ended.** Green where the version is champion, or was only to be compared.",
            ("rollout.md",),
        ),
    },
    "drift_monitor": {
        "watch": Guide(
            "**Judges every window that is due** and alerts. *Drift report* opens the page of the worst one. A data "
            "set that cannot be watched fails this task after the others were watched.",
            ("drift.md",),
        ),
        "retrain": Guide(
            "**Starts a training for each alert that calls for one**; skipped where none does. Its log says which "
            "alert and which window.",
            ("drift.md",),
        ),
        "faults": Guide(
            "**Does nothing**, and fails with `watch`: a run is judged by its last tasks.", ("operations.md",)
        ),
    },
}


def document(dag: DAG) -> None:
    """Give a DAG and its tasks their pages; a task that has none says whose it is."""
    dag.doc_md = DAGS[dag.dag_id].markdown
    for task in dag.tasks:
        if task.doc_md:  # of a mapped task it is given where that is made
            continue
        guide = TASKS[dag.dag_id].get(task.task_id)
        task.doc_md = guide.markdown if guide else f"A stage of `{dag.dag_id}`.\n"
