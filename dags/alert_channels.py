"""Airflow's side of alerts: each channel is an Airflow connection, which knows whom to tell and holds the secrets.

policies/drift/*.yaml names channels (`notify`); the connections are `augment_ops_email`, `augment_ops_slack` and
`augment_ops_webhook` (docs/operations.md). Hooks are used instead of the providers' notifiers, which would render a
message as a template: what data sets and classes are called must never be executed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from augment_ops.monitoring.telemetry.alerts import Message

log = logging.getLogger(__name__)


def tell(message: Message, channels: Sequence[str]) -> list[str]:
    """Send a message through every channel; a channel that fails keeps no other one from being told.

    Returns:
        the channels that failed; the log has the reasons, and the metric `augment_ops_alert_channel_working` says so.
    """
    from augment_ops.monitoring.telemetry.metrics import ALERT_CHANNEL
    from augment_ops.monitoring.telemetry.publish import publish
    from augment_ops.settings import Settings

    failed = []
    for channel in channels:
        try:
            _CHANNELS[channel](message)
        except Exception as error:
            log.exception("%s could not be told of: %s (%s)", channel, message.subject, error)
            failed.append(channel)
    samples = [ALERT_CHANNEL.set(channel not in failed, channel=channel) for channel in channels]
    for problem in publish(Settings.from_environment().home, samples):
        log.error("%s", problem)
    return failed


def _log(message: Message) -> None:
    log.warning("%s", message.text)


def _email(message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id="augment_ops_email") as hook:
        to = hook.conn.extra_dejson.get("to")
        if not to:
            raise ValueError('the connection augment_ops_email says nobody: give its extra a field "to"')
        hook.send_email_smtp(to=to, subject=message.subject, html_content=message.html, from_email=hook.from_email)


def _slack(message: Message) -> None:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    SlackWebhookHook(slack_webhook_conn_id="augment_ops_slack").send(
        text=message.slack, unfurl_links=False, unfurl_media=False
    )


def _webhook(message: Message) -> None:
    from airflow.providers.http.hooks.http import HttpHook

    HttpHook(method="POST", http_conn_id="augment_ops_webhook").run(json=message.data)


_CHANNELS: dict[str, Callable[[Any], None]] = {"log": _log, "email": _email, "slack": _slack, "webhook": _webhook}


class RolloutFailed(BaseNotifier):
    """Tells that a task of the DAG `rollout` has failed for good: above all that a challenger was rolled back."""

    def notify(self, context: Context) -> None:
        """Send the message, through the channels of the data set's drift rules."""
        from augment_ops.errors import AugmentOpsError
        from augment_ops.monitoring.drift.rules import DriftRules
        from augment_ops.monitoring.telemetry.alerts import message_of
        from augment_ops.settings import Settings

        dataset, folder = context["params"]["dataset"], Settings.from_environment().policies / "drift"
        own = folder / f"{dataset}.yaml"
        try:
            channels: Sequence[str] = DriftRules.load(own if own.is_file() else folder / "default.yaml").notify
        except AugmentOpsError:
            channels = ("log",)
        ti = context["ti"]
        found = f"Task {ti.task_id} of run {context['run_id']}: {context.get('exception') or 'no reason given'}"
        tell(message_of("rollout", dataset, found, ti.log_url, os.environ.get("AUGMENT_OPS_DOCS", "")), channels)


class RunFailed(BaseNotifier):
    """Tells that a task has failed for good, through the channels of the run's drift rules."""

    def notify(self, context: Context) -> None:
        """Send the message; called in the task's own process after its last try."""
        from augment_ops.errors import AugmentOpsError
        from augment_ops.monitoring.drift.rules import DriftRules
        from augment_ops.monitoring.telemetry.alerts import message_of
        from augment_ops.settings import Settings

        params, ti = context["params"], context["ti"]
        try:
            rules = DriftRules.load(Settings.from_environment().policies / "drift" / f"{params['drift']}.yaml")
            channels: Sequence[str] = rules.notify
        except AugmentOpsError:  # perhaps the very reason of the failure
            channels = ("log",)
        message = message_of(
            "failed",
            params["dataset_name"] or params["dataset"],
            f"Task {ti.task_id} of run {context['run_id']}: {context.get('exception') or 'no reason given'}",
            ti.log_url,
            os.environ.get("AUGMENT_OPS_DOCS", ""),
        )
        tell(message, channels)
