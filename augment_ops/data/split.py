"""Train, validation and test, made once, before anything is augmented.

What belongs together stays together: all samples of a subject, and all samples of identical content. Which side a
group falls on follows from a keyed hash of its name, not from the order in which files were read. With times, the
newest groups are tested on: no sample of train is later than the last sample of any group of test. Where time decides
(`time_decides`: a customer has transactions in all months), only samples of one time stay together, and every sample of
train is earlier than every one of validation, and those than every one of test.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from augment_ops.errors import DataError
from augment_ops.modalities.source import OUT_OF_SCOPE, UNUSED

# A quarter for testing: of scikit-learn's 1,797 digits, the smallest data set that is meant to be gated, that is 449,
# which keeps the 95% interval of an accuracy of 90% within ±3 points (1.96·√(0.9·0.1/449) = 0.028).
SHARES: Mapping[str, float] = {"test": 0.25, "validation": 0.10}
_KEY = b"augment-ops split 1"  # another key is another split of every data set: never change it
_ALL = frozenset({"train", "validation", "test"})
_APART: Mapping[str, str] = {UNUSED: "unused", OUT_OF_SCOPE: "out of scope"}  # of no part; and how that is said


@dataclass(frozen=True, slots=True)
class Member:
    """What deciding the split of one sample takes.

    Attributes:
        id: sample id.
        label: class name, or None.
        split: as the source has it, or None.
        subject: or None.
        time: or None.
        content: equal for samples that are identical; None where a sample could not be read.
    """

    id: str
    label: str | None
    split: str | None
    subject: str | None
    time: float | None
    content: bytes | str | None


def assign(members: Sequence[Member], uri: str, *, time_decides: bool = False) -> tuple[list[str], str]:
    """The split of each member, and the rule in words.

    What the source gives is kept. A source with only train and one of the others has the third taken from train; one
    without splits, or with train alone, is split .65 / .10 / .25.

    Samples that the source gives as `unused` are in none of the three (a kind of fraud that is to be new in test, say),
    nor are those that it gives as `out-of-scope`.

    Args:
        members: all samples of a data set; their order changes nothing.
        uri: the data set, for messages.
        time_decides: whether, where there are times, they tear subjects and identical samples apart.

    Raises:
        DataError: some samples have a split and others have none; there is a test part but no train part; or identical
            content and subjects tie so many samples together that a part would stay empty.
    """
    used = [member for member in members if member.split not in _APART]
    splits, rule = _assign(used, uri, time_decides)
    of = dict(zip((member.id for member in used), splits, strict=True))
    for name, said in _APART.items():
        left = sum(member.split == name for member in members)
        rule += f"; {left} samples {said}, as the source says" if left else ""
    return [of.get(member.id) or str(member.split) for member in members], rule


def _assign(members: Sequence[Member], uri: str, time_decides: bool) -> tuple[list[str], str]:
    given = {member.split for member in members}
    if None in given and len(given) > 1:
        without = next(member.id for member in members if member.split is None)
        raise DataError(
            uri,
            f"samples with a split ({', '.join(sorted(filter(None, given)))}) and others without, such as {without}",
            "a split for every sample, or for none",
            "complete the splits, or take the split folders or column away",
        )
    if given >= _ALL:
        return [str(member.split) for member in members], "given by the source"
    if given <= {None, "train"}:
        parts, rule = _divide(members, SHARES, time_decides)
        _refuse_empty(parts, members, _ALL, uri, time_decides)
        return [parts[member.id] for member in members], rule
    if "train" not in given:
        raise DataError(
            uri,
            f"only {' and '.join(sorted(filter(None, given)))}",
            "a train part",
            "point at the folder above the splits, or take the split names away",
        )
    return _complete(members, next(iter(_ALL - given)), uri, time_decides)


def _complete(members: Sequence[Member], missing: str, uri: str, time_decides: bool) -> tuple[list[str], str]:
    train = [member for member in members if member.split == "train"]
    parts, rule = _divide(train, {missing: SHARES[missing]}, time_decides)
    _refuse_empty(parts, train, {"train", missing}, uri, time_decides)
    return (
        [parts[member.id] if member.split == "train" else str(member.split) for member in members],
        f"given by the source; {missing} from train, {rule}",
    )


def _divide(members: Sequence[Member], shares: Mapping[str, float], time_decides: bool) -> tuple[dict[str, str], str]:
    """Sample id to split name: `shares` of the members, and `train` for the rest."""
    if _by_time(members, time_decides):
        moments = sorted(_moments(members), key=_newest, reverse=True)
        return _spread(_cut(moments, shares)), "by time alone"
    groups = _groups(members)
    subjects = any(member.subject is not None for member in members)
    if any(member.time is not None for member in members):
        groups.sort(key=lambda group: (-_newest(group), _group_key(group)))
        return _spread(_cut(groups, shares)), "by time and subject" if subjects else "by time"
    groups.sort(key=_group_key)
    if subjects:
        filled = _fill(groups, shares)
        complete = _with_every_class(filled, shares)
        return _spread(complete), "by subject" if complete == filled else "by subject, stratified"
    by_class: dict[str | None, list[list[Member]]] = defaultdict(list)
    for group in groups:
        by_class[min(group, key=_key).label].append(group)
    return _spread(pair for part in by_class.values() for pair in _fill(part, shares)), "stratified hash"


def _by_time(members: Sequence[Member], time_decides: bool) -> bool:
    return time_decides and any(member.time is not None for member in members)


def _fill(groups: list[list[Member]], shares: Mapping[str, float]) -> list[tuple[str, list[Member]]]:
    """Groups in hash order to the first part that they bring closer to its share; large ones stay in train."""
    total = sum(map(len, groups))
    counts = dict.fromkeys(shares, 0)
    parts: dict[str, list[list[Member]]] = {"train": [], **{name: [] for name in shares}}
    for group in groups:
        fits = (name for name in shares if counts[name] + len(group) / 2 <= shares[name] * total)
        name = next(fits, "train")
        parts[name].append(group)
        if name in counts:
            counts[name] += len(group)
    for name in shares:  # few or large groups: every part gets one as long as train keeps one
        if not parts[name] and len(parts["train"]) > 1:
            smallest = min(parts["train"], key=len)
            parts["train"].remove(smallest)
            parts[name].append(smallest)
    return [(name, group) for name, part in parts.items() for group in part]


def _with_every_class(
    filled: list[tuple[str, list[Member]]], shares: Mapping[str, float]
) -> list[tuple[str, list[Member]]]:
    """Groups moved between parts until each class with enough groups is in every part; unchanged where it is already.

    What StratifiedGroupKFold of scikit-learn is for: few groups a class, drawn by chance, leave some class out of a
    small part. Only as many are moved as that takes, the smallest and then the first in hash order, so that most
    samples stay where they are when others are added.
    """
    parts: dict[str, list[list[Member]]] = {"train": [], **{name: [] for name in shares}}
    for name, group in filled:
        parts[name].append(group)
    counts = {name: Counter(label for group in part for label in _labels(group)) for name, part in parts.items()}
    moved = False
    for wanted in parts:  # train first: what is not in it cannot be learnt
        for label in sorted({label for found in counts.values() for label in found} - set(counts[wanted])):
            # A class that came meanwhile with another one's group is there; one without a group to spare stays away.
            if not counts[wanted][label] and (donor := _donor(parts, counts, wanted, label)) is not None:
                _move(parts, counts, donor, wanted)
                moved = True
    if moved:
        _give_back(parts, counts, shares)
    return [(name, group) for name, part in parts.items() for group in part] if moved else filled


def _donor(
    parts: Mapping[str, list[list[Member]]], counts: Mapping[str, Counter[str]], wanted: str, label: str
) -> tuple[str, list[Member]] | None:
    """A group with that class whose part keeps all its classes; from the largest part that has one."""
    for name in sorted(set(parts) - {wanted}, key=lambda name: (-sum(map(len, parts[name])), name)):
        able = [group for group in parts[name] if label in _labels(group) and _spare(group, counts[name])]
        if able:
            return name, min(able, key=lambda group: (len(group), _group_key(group)))
    return None


def _give_back(
    parts: dict[str, list[list[Member]]], counts: dict[str, Counter[str]], shares: Mapping[str, float]
) -> None:
    """To train, what a part has beyond its share and can spare."""
    total = sum(len(group) for part in parts.values() for group in part)
    for name, share in shares.items():
        for group in sorted(parts[name], key=_group_key, reverse=True):
            held = sum(map(len, parts[name]))
            if held - len(group) / 2 >= share * total and _spare(group, counts[name]):
                _move(parts, counts, (name, group), "train")


def _move(
    parts: dict[str, list[list[Member]]],
    counts: Mapping[str, Counter[str]],
    donor: tuple[str, list[Member]],
    wanted: str,
) -> None:
    name, group = donor
    parts[name].remove(group)
    parts[wanted].append(group)
    counts[name].subtract(_labels(group))
    counts[wanted].update(_labels(group))


def _spare(group: list[Member], counts: Counter[str]) -> bool:
    return all(counts[label] > 1 for label in _labels(group))


def _labels(group: list[Member]) -> set[str]:
    """Classes of which a group has a sample that could be read."""
    return {member.label for member in group if member.label is not None and member.content is not None}


def _cut(groups: list[list[Member]], shares: Mapping[str, float]) -> list[tuple[str, list[Member]]]:
    """Groups from the newest to the oldest: test, then validation, then train, without going back."""
    total = sum(map(len, groups))
    result: list[tuple[str, list[Member]]] = []
    for name, share in shares.items():
        count = 0
        while len(groups) - len(result) > 1:
            group = groups[len(result)]
            if count and count + len(group) / 2 > share * total:
                break
            result.append((name, group))
            count += len(group)
    return result + [("train", group) for group in groups[len(result) :]]


def _groups(members: Sequence[Member]) -> list[list[Member]]:
    """Connected components over equal subject and equal content."""
    parent = list(range(len(members)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first: dict[Hashable, int] = {}
    for number, member in enumerate(members):
        for kind, value in (("subject", member.subject), ("content", member.content)):
            if value is not None:
                parent[root(number)] = root(first.setdefault((kind, value), number))
    groups: dict[int, list[Member]] = defaultdict(list)
    for number, member in enumerate(members):
        groups[root(number)].append(member)
    return list(groups.values())


def _moments(members: Sequence[Member]) -> list[list[Member]]:
    """Members of one time each; those without a time are one group, the oldest."""
    groups: dict[float | None, list[Member]] = defaultdict(list)
    for member in members:
        groups[member.time].append(member)
    return list(groups.values())


def _key(member: Member) -> tuple[bytes, str]:
    name = member.id if member.subject is None else f"subject {member.subject}"
    return hashlib.blake2b(name.encode(), digest_size=8, key=_KEY).digest(), member.id


def _group_key(group: list[Member]) -> tuple[bytes, str]:
    return min(map(_key, group))


def _newest(group: list[Member]) -> float:
    return max((member.time for member in group if member.time is not None), default=float("-inf"))


def _spread(parts: Iterable[tuple[str, list[Member]]]) -> dict[str, str]:
    return {member.id: name for name, group in parts for member in group}


def _refuse_empty(
    parts: Mapping[str, str], members: Sequence[Member], wanted: Set[str], uri: str, time_decides: bool
) -> None:
    empty = sorted(wanted - set(parts.values()))
    if not empty:
        return
    by_time = _by_time(members, time_decides)
    groups = _moments(members) if by_time else _groups(members)
    found = f"nothing is left for {' and '.join(empty)}: {len(members)} samples "
    if by_time:
        found += f"are of {len(groups)} moments, the largest of {max(map(len, groups))} samples"
        fix = "take another column for the time, or give the splits yourself"
        raise DataError(uri, found, f"enough moments for {', '.join(sorted(wanted))}", fix)
    counts = Counter(label for group in groups for label in _labels(group))
    alone = sum(count == 1 for count in counts.values())
    found += f"form {len(groups)} independent groups (one subject, or identical content), the largest of "
    found += f"{max(map(len, groups))}"
    fix = "give more subjects or samples, remove repeated ones, or give the splits yourself"
    if 2 * alone > len(counts):
        found += f"; {alone} of {len(counts)} classes have one group, which is learnt from"
        fix = f"take another column for the classes; {fix}"
    raise DataError(uri, found, f"enough groups for {', '.join(sorted(wanted))}", fix)
