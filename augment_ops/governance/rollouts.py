"""The acts of a rollout, as the ledger has them."""

from __future__ import annotations

# A run lets a version into rollouts; a rollout begins, goes a step on, waits for a person, ends.
ADMIT = "admit"
START, STEP, WAIT, END = "rollout-start", "rollout-step", "rollout-wait", "rollout-end"
# What people do to it while it runs; a program may pause it too.
PAUSE, RESUME, APPROVE = "rollout-pause", "rollout-resume", "rollout-approve"
ROLLOUT_ACTS = (ADMIT, START, STEP, WAIT, PAUSE, RESUME, APPROVE, END)
# Those that give a version more requests count with a signature alone, where rules are signed.
EXPOSING = (START, RESUME, APPROVE)
