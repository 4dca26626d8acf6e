"""The files below a folder of this machine, through links to folders as far as those stay inside."""

from __future__ import annotations

import os
from dataclasses import dataclass

from augment_ops.files import leads_outside


@dataclass(frozen=True)
class Tree:
    """Paths relative to the folder, with '/', sorted.

    Attributes:
        files: everything that is not a folder; whether it is a file is asked when it is opened.
        folders: every folder that was entered.
        not_entered: links to folders, each with the reason why it was not followed.
    """

    files: list[str]
    folders: list[str]
    not_entered: list[tuple[str, str]]


def walk(root: str, inside: str | None) -> Tree:
    """List a folder.

    Args:
        root: absolute path.
        inside: the folder that links may not leave; None lets them lead anywhere.

    Raises:
        OSError: a folder cannot be listed.
    """
    tree = Tree([], [], [])
    waiting: list[tuple[str, frozenset[str]]] = [("", frozenset({os.path.realpath(root)}))]
    while waiting:
        folder, above = waiting.pop()
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_folder(entry):
                    tree.files.append(path)
                    continue
                reason = _why_not(entry, above, inside)
                if reason:
                    tree.not_entered.append((path, reason))
                else:
                    tree.folders.append(path)
                    waiting.append((path, above | {os.path.realpath(entry.path)}))
    for found in (tree.files, tree.folders, tree.not_entered):
        found.sort()
    return tree


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _why_not(entry: os.DirEntry[str], above: frozenset[str], inside: str | None) -> str:
    if not entry.is_symlink():
        return ""
    if os.path.realpath(entry.path) in above:
        return "a link to a folder that holds it"
    if inside is not None and leads_outside(entry.path, inside):
        return "a link to a folder outside the data set (--allow-outside reads it)"
    return ""
