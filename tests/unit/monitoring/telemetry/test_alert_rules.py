"""The alert rules as Prometheus' own tools see them, and what they promise to a reader."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from augment_ops.monitoring.telemetry.endpoint import READABLE
from augment_ops.monitoring.telemetry.metrics import BY_NAME, FAMILIES
from augment_ops.serving import augmenting_meters, meters, rollout_meters, supervisor_meters
from support.prometheus import queries

ROOT = Path(__file__).parents[4]
HERE = ROOT / "monitoring" / "prometheus"
RULES = [rule for group in yaml.safe_load((HERE / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
ASKED_FOR = {
    "AugmentOpsDrift", "AugmentOpsClassRecallDrop", "AugmentOpsAugmentationSlow", "AugmentOpsThroughputLow",
    "AugmentOpsDataWait", "AugmentOpsModelTooOld", "AugmentOpsGateRefusing", "AugmentOpsLedgerAltered",
    "AugmentOpsMonitoringBlind", "AugmentOpsRegistryAltered", "AugmentOpsServingErrors", "AugmentOpsServingSlow",
    "AugmentOpsServingLogLost", "AugmentOpsServingDown", "AugmentOpsServingBehind", "AugmentOpsRolledBack",
    "AugmentOpsServingBreakerOpen",
    "AugmentOpsRolloutFailing", "AugmentOpsRolloutStuck",
}  # fmt: skip


def run(*command: str, cwd: Path = HERE) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules_and_the_configuration(program: Callable[[str], str]) -> None:
    assert f"{len(RULES)} rules found" in run(program("promtool"), "check", "rules", "alerts.yml")
    # Syntax alone: the token of the service is a file of the stack.
    run(program("promtool"), "check", "config", "--syntax-only", "prometheus.yml")


def test_each_alert_fires_and_keeps_quiet_as_its_tests_say(program: Callable[[str], str]) -> None:
    assert "SUCCESS" in run(program("promtool"), "test", "rules", "alerts_test.yml")


def test_each_rule_has_a_test_in_which_it_fires() -> None:
    tests = yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fired = {
        (check["alertname"], alert["exp_labels"].get("about")) for check in checks for alert in check["exp_alerts"]
    }
    assert fired == {(rule["alert"], rule["labels"].get("about")) for rule in RULES}
    quiet = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert quiet >= ASKED_FOR


def test_every_alert_that_was_asked_for_is_there() -> None:
    assert {rule["alert"] for rule in RULES} == ASKED_FOR | {"AugmentOpsWatchdog"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('about', '')}")
def test_each_alert_says_what_where_and_what_to_do(rule: dict) -> None:
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "evidence", "runbook_url"}
    page = ROOT / "docs" / "runbooks" / notes["runbook_url"].rpartition("docs/runbooks/")[2]
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    about = rule["labels"].get("about")
    assert about is None or f"`{about}`" in text or f"`about: {about}`" in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_ask_for_metrics_and_labels_that_exist(rule: dict) -> None:
    assert faults_of(rule["expr"]) == []


@pytest.mark.parametrize(
    ("dashboard", "panel", "expression"),
    queries("serving", "serving-augmentation", "rollout"),
    ids=lambda text: text[:40],
)
def test_panels_of_a_service_ask_for_metrics_and_labels_that_exist(dashboard: str, panel: str, expression: str) -> None:
    """Those of runs are asked of a real Prometheus with real runs (tests/integration/test_monitoring.py)."""
    assert "augment_ops_" in expression
    assert faults_of(expression) == []


def faults_of(expression: str) -> list[str]:
    """Metrics that there are not, and labels that they do not have: in selectors, and in what is grouped by."""
    named: dict[str, tuple[str, ...]] = {READABLE: ()}
    served = (meters, augmenting_meters, supervisor_meters, rollout_meters)
    for family in (*FAMILIES, *(one for module in served for one in module.FAMILIES)):
        parts = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        named |= {family.name + part: (*family.labels, *(["le"] if part == "_bucket" else [])) for part in parts}
    faults, labels = [], set[str]()
    for name, selected in re.findall(r"(augment_ops_\w+)(?:\{([^}]*)\})?", expression):
        labels |= set(named.get(name, ()))
        asked = set(re.findall(r"(\w+)[!=~]+\"", selected))
        faults += [name] if name not in named else sorted(f"{name}: {one}" for one in asked - set(named[name]))
    grouped = {one for text in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for one in text.split(", ")}
    made = set(re.findall(r'label_replace\(.*?, "(\w+)"', expression, re.DOTALL)) | {"job"}
    return [*faults, *sorted(grouped - labels - made)]


def test_pages_of_no_alert_are_not_left_over() -> None:
    linked = {rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in RULES}
    assert {page.name for page in (ROOT / "docs" / "runbooks").iterdir()} == linked


def test_alertmanager_takes_its_configuration(program: Callable[[str], str], tmp_path: Path) -> None:
    text = (ROOT / "monitoring" / "alertmanager" / "alertmanager.yml").read_text()
    text = text.replace("${SMTP_PORT}", "587")
    (tmp_path / "alertmanager.yml").write_text(re.sub(r"\$\{\w+\}", "somebody@example.org", text))
    assert "2 receivers" in run(program("amtool"), "check-config", "alertmanager.yml", cwd=tmp_path)


def test_prometheus_own_linter_takes_every_metric(program: Callable[[str], str], tmp_path: Path) -> None:
    from augment_ops.monitoring.telemetry.textfile import path_below, record

    samples = [
        family.add(1, **dict.fromkeys(family.labels, "x"))
        if family.kind == "counter"
        else family.set(1, **dict.fromkeys(family.labels, "x"))
        for family in BY_NAME.values()
    ]
    record(tmp_path, samples)
    with path_below(tmp_path).open() as text:
        done = subprocess.run(
            [program("promtool"), "check", "metrics"],
            stdin=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
