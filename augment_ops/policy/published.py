"""Published versions: a copy of every one, in policies/published/<name>/<version>.yaml, that never changes again.

The copies are what makes a version immutable without asking a database: in an editor, in CI, on any clone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from augment_ops.errors import PolicyError
from augment_ops.files import replace_file
from augment_ops.policy.spec import NARROWED_TO, Policy, version_key
from augment_ops.policy.yaml_file import plain, read_text


def published_path(policies: Path, name: str, version: str) -> Path:
    """Where the copy of a version lives."""
    return policies / "published" / name / f"{version}.yaml"


def published_versions(policies: Path, name: str) -> list[str]:
    """Versions of a policy that were published, oldest first."""
    return sorted((path.stem for path in (policies / "published" / name).glob("*.yaml")), key=version_key)


def load_published(policies: Path, name: str, version: str) -> Policy:
    """A published version.

    Raises:
        PolicyError: there is none, or its copy is not of that name and version.
    """
    path = published_path(policies, name, version)
    policy = Policy.from_text(read_text(path, kind="published version"), str(path))
    if (policy.name, policy.version) != (name, version):
        raise PolicyError(
            str(path),
            f"{policy.name} {policy.version}",
            f"{name} {version}, as its place says",
            "restore the copy: git checkout -- policies/published",
        )
    return policy


def check_published(policies: Path, policy: Policy, where: str) -> None:
    """Refuse a policy that changes a published version, or goes back behind one.

    Args:
        where: its file, for the message.

    Raises:
        PolicyError: with the first line that differs.
    """
    versions = published_versions(policies, policy.name)
    if policy.version in versions:
        copy = load_published(policies, policy.name, policy.version)
        if copy.digest != policy.digest:
            line, what, before, after = first_difference(copy.text, policy.text)
            bound, limits = what.removeprefix(f"{NARROWED_TO}."), policies / "limits" / f"{policy.domain}.yaml"
            place = f"{where}:{line}: {what}" if bound == what else f"{where}, narrowed to {limits}: {bound}"
            raise PolicyError(
                place,
                after,
                f"{before}, as version {policy.version} was published",
                f"give the changed policy a version above {versions[-1]}, or restore the line; "
                f"see augment-ops policy diff {policy.name}@{policy.version} {policy.name}",
            )
    elif versions and version_key(policy.version) < version_key(versions[-1]):
        raise PolicyError(
            f"{where}: version",
            policy.version,
            f"one above {versions[-1]}, the newest that was published",
            "versions go up: a reader takes the highest for the newest",
        )


def keep_published(policies: Path, policy: Policy) -> Path:
    """Write the copy of a version, where there is none; whole or not at all."""
    path = published_path(policies, policy.name, policy.version)
    if not path.exists():
        replace_file(path, policy.text)
    return path


def first_difference(before: str, after: str) -> tuple[int, str, str, str]:
    """Where the meaning of two policy texts differs first: line of `after` (from 1), key, old and new value."""
    old, new = (yaml.compose(text, Loader=yaml.SafeLoader) for text in (before, after))
    found = next(_differences(old, new, ""), None)
    if found is None:  # what differs is in how YAML reads the same text
        return 1, "the file", "the published text", "another one"
    node, place, was, now = found
    return node.start_mark.line + 1, place, was, now


def _differences(old: Any, new: Any, place: str) -> Iterator[tuple[yaml.Node, str, str, str]]:
    if isinstance(old, yaml.MappingNode) and isinstance(new, yaml.MappingNode):
        before = {plain(key): value for key, value in old.value}
        for key_node, value in new.value:
            key = plain(key_node)
            inner = f"{place}.{key}" if place else str(key)
            if key in before:
                yield from _differences(before.pop(key), value, inner)
            else:
                yield key_node, inner, "nothing", _short(value)
        for key, value in before.items():
            yield new, f"{place}.{key}" if place else str(key), _short(value), "nothing"
    elif isinstance(old, yaml.SequenceNode) and isinstance(new, yaml.SequenceNode):
        for i, (one, other) in enumerate(zip(old.value, new.value, strict=False)):
            yield from _differences(one, other, f"{place}[{i}]")
        known, now = len(old.value), len(new.value)
        if now > known:
            yield new.value[known], f"{place}[{known}]", "nothing", _short(new.value[known])
        elif known > now:
            yield new, f"{place}[{now}]", _short(old.value[now]), "nothing"
    elif type(old) is not type(new) or plain(old) != plain(new):
        yield new, place, _short(old), _short(new)


def _short(node: yaml.Node) -> str:
    text = str(plain(node))
    return text if len(text) <= 60 else f"{text[:57]}…"
