"""The command line as a shell calls it, in this process: a new one would take a second for its imports."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from augment_ops import cli

Call = Callable[..., tuple[int, str, str]]  # words → exit code, stdout, stderr


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls `augment-ops` with some words."""
    monkeypatch.delenv("COLUMNS", raising=False)  # what a piped result is as wide as is ours to say

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["augment-ops", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call
