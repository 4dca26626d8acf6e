"""A workspace with something of all that the home shows, made without a pipeline: documents, acts and pages.

`FIRST` became champion of dev and staging, `SECOND` failed, `WAITING` asks the lead, `STARTED` was started by an alert
and is at work, `REFUSED` left a page, `LOST` has a record whose output is gone. `EVIL` has words that mean harm
wherever somebody could write some.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.files import replace_file
from augment_ops.gate.compared import Beside, Fall, MeasuredShare, SideBySide
from augment_ops.gate.decision import Decision, Reason
from augment_ops.gate.explanation import Explanation
from augment_ops.gate.rules import load as load_rules
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.audit import ruling
from augment_ops.governance.statements import PolicyApproval, SignedApproval, evidence_subjects
from augment_ops.lifecycle.book import book_of
from augment_ops.pipeline.cause import start_key
from augment_ops.pipeline.outputs import (
    AugmentedCheck,
    Decided,
    Prepared,
    Promotion,
    Report,
    ResolvedPolicy,
    StressTest,
)
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import Run, StageRecord, entry_key, folder_name, keep_record, report_path
from augment_ops.policy.library import load
from augment_ops.production.alerts import Alert, enter, run_id_of
from augment_ops.production.timeline import JudgedWindow
from augment_ops.quality.report import QualityReport
from augment_ops.report.brief import Brief
from augment_ops.rollout.drive import Driver
from augment_ops.rollout.state import entries_of
from augment_ops.settings import Settings
from augment_ops.stress.suite import SuiteManifest
from augment_ops.workspace import Workspace, open_ledger, open_store
from support import rollouts
from support.people import keys_of, write_approvers, write_environments
from support.places import POLICIES
from support.report_page import stress

HARM = "<script>window.ran=1</script>\"'><img src=x onerror=window.ran=1>"
FIRST, SECOND, WAITING, EVIL = "cli-00000000000a", "cli-00000000000b", "manual__2026-11-03T08:00:00+00:00", "evil-1"
REFUSED, LOST = "cli-00000000000c", "cli-00000000000d"
ALERT_KEY = "drift:digits:1"
STARTED = run_id_of("digits", "drift", ALERT_KEY)
AIRFLOW, MLFLOW = "http://127.0.0.1:8080", "http://127.0.0.1:5000"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
PEOPLE = keys_of("lea", "pat")
PAGE = b"<!doctype html><html lang=en><title>Report</title><h1>The report itself</h1></html>"


@dataclass(frozen=True, kw_only=True)
class Words:
    """What somebody could have chosen of a run."""

    dataset: str = "digits"
    policy: str = "digits-robust"
    version: str = "1.0.0"
    actor: str = "ada"
    said: str = "Nothing is worse than the control by more than the gate allows."
    link: str = ""


def make(home: Path) -> Settings:
    """All of it."""
    policies = home / "policies"
    shutil.copytree(POLICIES, policies)
    write_approvers(policies, {"ml-lead": PEOPLE})
    write_environments(policies)
    evil = (policies / "augment" / "digits-none.yaml").read_text().replace("digits-none", "evil")
    owner = next(line for line in evil.splitlines() if line.startswith("owner:"))
    (policies / "augment" / "evil.yaml").write_text(evil.replace(owner, f"owner: {_quoted(HARM)}"))
    settings = _settings(home)
    made = _Runs(settings)
    made.ended(FIRST, Words(), "PASS", hours=0)
    made.ended(SECOND, Words(policy="digits-none", actor="grace", said="Rotation costs 20 points."), "FAIL", hours=1)
    airflow = f"{AIRFLOW}/dags/train_and_promote/runs/{WAITING}"
    made.waiting(WAITING, Words(actor="alan", link=airflow), hours=2)
    harm = Words(dataset=HARM, policy=HARM, version=HARM, actor=HARM, said=HARM, link="javascript:window.ran=1")
    made.waiting(EVIL, harm, hours=3)
    made.begun(STARTED, Words(actor="schedule"), hours=5)
    made.begun(REFUSED, Words(), hours=6)
    replace_file(page_of(settings, REFUSED), b"<!doctype html><html lang=en><title>Why</title><h1>Refused</h1></html>")
    made.begun(LOST, Words(), hours=7)
    keep_record(made.store, LOST, StageRecord("decide", "k" * 64, "0" * 64, 1.0, NOON.isoformat()))
    acts(settings)
    rollout(settings)
    for number, status in enumerate(("ok", "insufficient", "warn", "drift", "ok")):
        window(settings, "digits", number, status, "Brightness rose by 12%.")
    window(settings, HARM, 0, "drift", HARM)
    return _linked(settings)


def copied(settings: Settings, home: Path) -> Settings:
    """The same, for a test that changes something."""
    shutil.copytree(settings.home.parent, home, dirs_exist_ok=True)
    return _linked(_settings(home))


def _settings(home: Path) -> Settings:
    return Settings.from_environment(
        {"AUGMENT_OPS_HOME": str(home / "var"), "AUGMENT_OPS_POLICIES": str(home / "policies")}
    )


def _linked(settings: Settings) -> Settings:
    return replace(settings, mlflow_uri=MLFLOW)  # nobody listens there: links lead to it


class _Runs:
    """Documents of runs, as the stages leave them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = open_store(settings)

    def begun(self, run: str, words: Words, hours: int) -> None:
        params = {
            "dataset": "digits",
            "dataset_name": words.dataset,
            "policy": words.policy,
            "environment": "dev" if run == FIRST else "staging",
        }
        at = (NOON + timedelta(hours=hours)).isoformat()
        declared = Run(
            id=run, params=params, actor=words.actor, started_at=at, software="0", git_commit="unknown", link=words.link
        )
        self.store.put_document(_place(run), canonical_json(declared))

    def waiting(self, run: str, words: Words, hours: int) -> None:
        self._judged(run, words, "PASS", hours, asks="ml-lead")

    def ended(self, run: str, words: Words, verdict: str, hours: int) -> None:
        self._judged(run, words, verdict, hours)
        promoted = verdict == "PASS"
        came = "version 3 is champion of dev now" if promoted else "refused; nothing changes"
        self._record(run, "promote", Promotion(promoted, "3" if promoted else None, None, came), hours)
        replace_file(report_path(self.settings.home, run), PAGE)
        report = Report(
            verdict=verdict, summary=words.said, reasons=(), promotion=came, model_version="3" if promoted else None,
            path="", url=f"{MLFLOW}/#/experiments/1/runs/{run}/artifacts", mlflow_run_url=f"{MLFLOW}/#/runs/{run}",
            digest=sha256_hex(PAGE),
        )  # fmt: skip
        self._record(run, "report", report, hours)

    def _judged(self, run: str, words: Words, verdict: str, hours: int, asks: str = "") -> None:
        self.begun(run, words, hours)
        for stage, output in self._outputs(run, words, verdict, asks).items():
            self._record(run, stage, output, hours)

    def _outputs(self, run: str, words: Words, verdict: str, asks: str) -> dict[str, Any]:
        report, rules = stress(), self.store.put(_rules())
        if run == SECOND:
            report = replace(report, suite_digest="8" * 64)
        fails = Reason(rule="invariance", outcome="fail", message=words.said, corruption="rotation", severity=5)
        reasons = () if verdict == "PASS" else (fails,)
        decision = Decision(verdict, "default 1.0.0", rules, "b" * 64, reasons, words.said)
        page = {"digest": sha256_hex(PAGE), "url": f"{MLFLOW}/#/report"} if asks else {}
        checked = QualityReport("check_augmented", "1" * 64, "9" * 64, ())
        return {
            "ingest": _manifest(words.dataset),
            "check_data": replace(checked, stage="check_data"),
            "resolve_policy": self._policy(words),
            "check_augmented": AugmentedCheck(checked, self.store.put(_picture(run))),
            "stress_test": StressTest(_suite(report.suite_digest), report),
            "decide": Decided(decision, Explanation("d" * 64, verdict, words.said, "5" * 64, "1" * 64, ()), "3", None),
            "prepare_report": Prepared(brief=_brief(words, verdict), asks=asks, **page),
        }

    def _policy(self, words: Words) -> ResolvedPolicy:
        known = words.policy if words.policy != HARM else "evil"
        policy = load(self.settings.policies, known)
        return ResolvedPolicy(
            name=words.policy, version=words.version if words.policy == HARM else policy.version, digest=policy.digest,
            domain=policy.domain, owner=words.actor, description=words.said, limitations=(), text=policy.text,
            engine="compiled", p50_ms=0.1, p95_ms=0.2, budget_p95_ms=2.0, budget_at=(8, 8, 1),
        )  # fmt: skip

    def _record(self, run: str, stage: str, output: Any, hours: int) -> None:
        ended = (NOON + timedelta(hours=hours, minutes=1)).isoformat()
        taken = FIRST if run == SECOND and stage == "ingest" else ""
        record = StageRecord(stage, "k" * 64, self.store.put(canonical_json(output)), 12.0, ended, taken)
        keep_record(self.store, run, record)


def acts(settings: Settings) -> None:
    """What people and the gate did: champions, a policy that is approved, one that waits, an alert and its training."""
    ledger = open_ledger(settings)
    for environment, by, reason in (("dev", "gate", "the gate alone"), ("staging", "pat", HARM)):
        subjects = {"version": "digits/3", "environment": environment, "previous": "none", "model": "c" * 64}
        key = entry_key(FIRST, "promote") if environment == "dev" else "elsewhere:promote"
        ledger.append("promote", by, subjects, reason, key)
    for name, approved in (("digits-robust", True), ("digits-none", False)):
        policy = load(settings.policies, name)
        about = {"policy": policy.digest, "policy_version": f"{name}/{policy.version}"}
        ledger.append("publish", "pat", about, "", f"publish:{name}")
        evidence = {"profile": "1" * 64}
        ledger.append("propose", "pat", {**about, **evidence_subjects(evidence)}, "", f"propose:{name}")
        if approved:
            signed = _approval(settings, about, evidence)
            ledger.append("approve", "lea", signed.subjects(), signed.approval.reason, f"approve:{name}")
    about = {"window_start": NOON.isoformat(), "window_end": (NOON + timedelta(hours=1)).isoformat(), "moved": HARM}
    page = {"page": f"{MLFLOW}/#/page"}
    alert = Alert("drift", "digits", ALERT_KEY, {**about, **page}, f"Brightness rose {HARM}.", 24.0)
    entered, _ = enter(ledger, alert, "schedule")
    ledger.append("retrain", "schedule", {"dataset": "digits", "alert": entered.hash}, "", start_key(STARTED))
    enter(ledger, replace(alert, kind="blind", key="blind:1", message="No record came."), "schedule")


def rollout(settings: Settings) -> None:
    """Version 4 of the digits beside the champion of dev, in its second step."""
    workspace = Workspace(settings, "ada")
    reign = ruling(entries_of(book_of(workspace), "digits"), "digits")["dev"]
    begun = rollouts.start(workspace, reign.seq, reign.version, "4", reason=HARM)
    for first in (0, 100, 200):
        rollouts.compare(workspace, begun, 0, 100, same=0.95, first=first)
        Driver(workspace, "digits", "dev", print).tick()


def window(settings: Settings, dataset: str, number: int, status: str, said: str) -> None:
    """A window that was judged, an hour after the one before it."""
    start = NOON + timedelta(hours=number)
    judged = JudgedWindow(
        dataset=dataset, rules="default" if dataset == "digits" else dataset, reference="champion",
        start=start.isoformat(), end=(start + timedelta(hours=1)).isoformat(), status=status, blind=False, message=said,
        faults=(said,) if dataset == HARM else (), metrics={"window.samples": 1234.0}, report="", alert="",
        page=f"{MLFLOW}/#/page", link="javascript:window.ran=1" if dataset == HARM else f"{MLFLOW}/#/window",
    )  # fmt: skip
    folder = "digits" if dataset == "digits" else "evil"
    name = f"drift/{folder}/windows/champion_default/{start:%Y%m%dT%H%M%S}.json"
    open_store(settings).put_document(name, canonical_json(judged))


def _approval(settings: Settings, about: Mapping[str, str], evidence: Mapping[str, str]) -> SignedApproval:
    approver, today = Approvals.load(settings.policies).person("lea"), datetime.now(UTC)
    assert approver is not None
    approval = PolicyApproval(
        policy_version=about["policy_version"], digest=about["policy"], evidence=evidence, environment="production",
        approver="lea", approver_digest=approver.digest, role="ml-lead", reason=HARM,
        given=(today - timedelta(days=1)).isoformat(), expires=(today + timedelta(days=30)).isoformat(),
    )  # fmt: skip
    return SignedApproval(approval, PEOPLE["lea"].public, PEOPLE["lea"].sign(approval.message()))


def _brief(words: Words, verdict: str) -> Brief:
    beside = (Beside(role="control", share=0.94, gain=0.02, low=-0.01, high=0.05),)
    clean = MeasuredShare(name="accuracy, clean", share=0.96, low=0.93, high=0.98, n=451, beside=beside)
    stressed = replace(clean, name="accuracy, stressed", share=0.81, low=0.78, high=0.84, n=4510)
    falls = (Fall(what=f"rotation, severity 5, {words.dataset}", loss=0.2, low=0.1, high=0.3, shown=True),)
    return Brief(
        dataset=words.dataset, version="3", champion="2", verdict=verdict, summary=words.said,
        policy=f"{words.policy} {words.version}, draft", policy_before=words.policy, policy_changes=(words.said,),
        environment="staging", started_by=words.actor, because=words.said,
        warnings=(words.said,),
        compared=SideBySide(confidence=0.95, measured=(clean, stressed), against="control", looked_at=40, falls=falls),
    )  # fmt: skip


def _manifest(dataset: str) -> SnapshotManifest:
    return SnapshotManifest(
        digest="1" * 64, dataset=dataset, uri="digits", classes=("0", "1"), image_shape=(8, 8, 1), split_rule="",
        counts={}, samples=1797, defective=0, index="2" * 64, images="3" * 64,
    )  # fmt: skip


def _suite(digest: str) -> SuiteManifest:
    return SuiteManifest(
        digest=digest, name="invariances", version="1.0.0", spec_digest="4" * 64, snapshot_digest="1" * 64,
        split="test", classes=("0", "1"), shape=(8, 8, 1), batch=1, sample_ids=(), labels="", cells=(),
    )  # fmt: skip


def _rules() -> bytes:
    return load_rules(POLICIES / "gates" / "default.yaml").model_dump_json().encode()


def _picture(run: str) -> bytes:
    grey = np.full((48, 96), 40 + sum(run.encode()) % 200, np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return file.getvalue()


def _place(run: str) -> str:
    return f"runs/{folder_name(run)}/run.json"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
