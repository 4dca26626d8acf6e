"""What every command has: help with an example that can be typed, and an answer for machines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from augment_ops import __version__, cli
from support.command_line import Call

_EXAMPLE = re.compile(r"^ *Example: augment-ops (.+(?:\n(?! *$).+)*)", re.MULTILINE)


@pytest.fixture
def root(call: Call) -> TyperGroup:
    """The commands, as they are registered by whoever calls one."""
    assert call("--help")[0] == 0
    command = typer.main.get_command(cli.app)
    assert isinstance(command, TyperGroup)
    return command


def _commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


def test_each_command_shows_an_example_of_itself_that_can_be_typed(root: TyperGroup) -> None:
    wrong = []
    for path, command in _commands(root):
        found = _EXAMPLE.search(command.help or "")
        words = shlex.split(found[1]) if found else []
        if tuple(words[: len(path)]) != path:
            wrong.append(f"{' '.join(path)}: {words}")
            continue
        with command.make_context(path[-1], words[len(path) :]) as context:  # raises where a word is none of its
            assert context.params
    assert wrong == []


def test_each_command_answers_machines(root: TyperGroup) -> None:
    assert [
        " ".join(path)
        for path, command in _commands(root)
        if not any("--json" in parameter.opts for parameter in command.params)
    ] == []


def test_each_command_can_be_quiet(root: TyperGroup) -> None:
    assert [
        " ".join(path)
        for path, command in _commands(root)
        if not any({"--quiet", "-q"} <= set(parameter.opts) for parameter in command.params)
    ] == []


def test_the_version_and_the_short_help(call: Call) -> None:
    assert call("--version") == (0, f"augment-ops {__version__}\n", "")
    for words in (("-h",), ("runs", "-h"), ("policy", "approve", "-h")):
        code, shown, _ = call(*words)
        assert (code, "Usage: augment-ops" in shown) == (0, True)


def test_the_shell_completes_commands_and_names(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(typed: str) -> str:
        monkeypatch.setenv("_AUGMENT_OPS_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", f"augment-ops {typed}")
        monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" "))))
        return call()[1]

    assert "runs" in completed("ru").split()
    assert completed("policy show digits-r").split() == ["digits-robust"]
    assert "latest" in completed("report open l").split()


def test_help_shows_the_example(call: Call) -> None:
    code, shown, _ = call("policy", "approve", "--help")
    assert code == 0
    assert "Example: augment-ops policy approve" in shown
    assert "--reason" in shown


@pytest.mark.parametrize(
    "words",
    [
        (),
        *((group,) for group in ("policy", "audit", "runs", "report", "metrics", "governance", "champion", "kubeflow")),
    ],
)
def test_without_words_it_shows_what_there_is(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert code == 2
    assert "Commands" in out + err
