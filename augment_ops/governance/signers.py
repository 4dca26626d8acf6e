"""Where the key of somebody who acts is: a file, or an ssh-agent."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from augment_ops.governance.keys import default_path, load
from augment_ops.governance.ssh_agent import agent_keys


class Signer(Protocol):
    """What signs for somebody."""

    @property
    def public(self) -> str:
        """The public key, as approvers.yaml has it."""

    def sign(self, message: bytes) -> str:
        """The signature in base64."""


def signer_of(person: str, trusted: Collection[str], path: Path | None = None) -> Signer:
    """The key with which a person signs: the file named, AUGMENT_OPS_KEY, the usual file, or one that an agent holds.

    Args:
        trusted: public keys that stand for the person; the agent is asked for one of them.
        path: the file, where the person names one.

    Raises:
        GovernanceError: there is none, or it cannot be used.
    """
    named = path or os.environ.get("AUGMENT_OPS_KEY")
    usual = default_path(person)
    if named or usual.exists():
        return load(Path(named or usual))
    held = [key for key in agent_keys() if key.public in trusted]
    return held[0] if held else load(usual)  # which says how to make one
