"""Policies for tests: one head, and whatever steps a test is about."""

from __future__ import annotations

from augment_ops.policy.spec import Policy

HEAD = (
    "name: tested\nversion: 1.0.0\nmodality: image\ndomain: general\nowner: tests\ndescription: For tests.\n"
    "budget: {p95_ms: 1.0, at: [8, 8, 1]}\ntransforms:\n"
)


def policy_text(*steps: str, name: str = "tested", at: str = "8, 8, 1") -> str:
    """A policy file with these steps, each on a line of its own."""
    head = HEAD.replace("name: tested", f"name: {name}").replace("8, 8, 1", at)
    return head + "".join(f"  - {step}\n" for step in steps)


def policy_of(*steps: str) -> Policy:
    """A policy with these steps."""
    return Policy.from_text(policy_text(*steps))
