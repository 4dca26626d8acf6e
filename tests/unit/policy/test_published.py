"""Published versions never change: the line that was edited is named, and what is no change is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_ops.errors import PolicyError
from augment_ops.policy.library import admit, is_published, load, policy_path
from augment_ops.policy.published import (
    check_published,
    first_difference,
    keep_published,
    load_published,
    published_path,
    published_versions,
)
from augment_ops.policy.spec import Policy

# Every value on a line of its own, in both styles of YAML.
TEXT = """\
# what it is for
name: tested
version: 1.0.0
modality: image
domain: general
owner: tests

description: For tests.
limitations:
  - "not for documents"
  - not for maps
discovered_by:
  method: density-matching
  mlflow_run: abc
budget:
  p95_ms: 1.5
  at: [8,
       9,
       3]
transforms:
  - Affine:
      rotate: [-5,
               6]
      p: 0.75
  - OneOf:
      p: 0.5
      transforms:
        - GaussNoise: {std_range: [0.02,   # a remark
                                   0.08],
                       p: 0.25}
        - Rotate:
            limit: 7
"""
OTHER = {
    "owner: tests": "owner: others", "For tests.": "For others.", "not for documents": "not for letters",
    "not for maps": "no maps", "density-matching": "random", "abc": "abd", "1.5": "2.5", "[8,": "[10,",
    "   9,": "  11,", "3]": "1]", "-5": "-4", "6]": "8]", "0.75": "0.7", "0.5": "0.4", "0.02": "0.03",
    "0.08": "0.09", "0.25": "0.2", "limit: 7": "limit: 6", "general": "medical",
}  # fmt: skip
SAME = [
    ("p: 0.5\n", "p: 5.0e-1\n"), ("limit: 7", "limit: 7.0"), ("[8,\n       9,\n       3]", "[8, 9, 3]"),
    ("# a remark", "# another: remark"), ("owner: tests\n\n", "owner: 'tests'\n"), ("not for maps", '"not for maps"'),
    ("# what it is for\n", ""),
    ("method: density-matching\n  mlflow_run: abc", "mlflow_run: abc\n  method: density-matching"),
    ("owner: tests", "owner: tests\r"),
]  # fmt: skip


def _policies(folder: Path, text: str = TEXT) -> Path:
    for name in ("augment", "limits"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "limits" / "general.yaml").write_text("domain: general\ndescription: d\n")
    (folder / "augment" / "tested.yaml").write_text(text)
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """One version, published."""
    folder = _policies(tmp_path)
    keep_published(folder, load(folder, "tested"))
    return folder


@settings(max_examples=60, deadline=None)
@given(edited=st.sampled_from(sorted(OTHER)), layout=st.lists(st.sampled_from(SAME), max_size=3, unique=True))
def test_an_edit_is_a_change_and_its_line_is_named(edited: str, layout: list[tuple[str, str]]) -> None:
    before = Policy.from_text(TEXT)
    text = TEXT.replace(edited, OTHER[edited])
    assert text != TEXT
    (at,) = [i for i, (one, two) in enumerate(zip(TEXT.splitlines(), text.splitlines(), strict=True), 1) if one != two]
    line, place, was, now = first_difference(TEXT, text)
    assert (Policy.from_text(text).digest != before.digest, line) == (True, at), place
    assert was != now
    for one, other in layout:  # however else the file is laid out, what changed is told as the same
        text = text.replace(one, other)
    assert Policy.from_text(text).digest != before.digest
    assert first_difference(TEXT, text)[1:] == (place, was, now)


@pytest.mark.parametrize(("before", "after"), SAME)
def test_layout_and_comments_are_no_change(library: Path, before: str, after: str) -> None:
    assert before in TEXT
    _policies(library, TEXT.replace(before, after))
    assert admit(library, "tested").digest == load_published(library, "tested", "1.0.0").digest


@pytest.mark.parametrize(
    ("before", "after", "where", "found", "expected"),
    [
        ("limit: 7", "limit: 8", r":32: transforms\[1\].*Rotate\.limit", "8", "7"),
        ("\nlimitations:", "\nmixing: {kind: mixup}\nlimitations:", ":9: mixing", "mixup", "nothing"),
        ("        - Rotate:\n            limit: 7\n", "", r":28: transforms\[1\].*\[1\]", "nothing", "Rotate"),
        ("limit: 7\n", "limit: 7\n  - Rotate: {limit: 1}\n", r":33: transforms\[2\]", "Rotate", "nothing"),
        ("      p: 0.75\n", "", r":22: transforms\[0\]\.Affine\.p", "nothing", "0.75"),
        ("Affine:\n      rotate", "SafeRotate:\n      limit", r":21: transforms\[0\]\.SafeRotate", "limit", "nothing"),
    ],
    ids=["value", "key", "gone", "more", "default", "other"],
)  # fmt: skip
def test_a_change_names_file_and_line(
    library: Path, before: str, after: str, where: str, found: str, expected: str
) -> None:
    assert before in TEXT
    _policies(library, TEXT.replace(before, after, 1))
    with pytest.raises(PolicyError) as caught:
        admit(library, "tested")
    (fault,) = caught.value.faults
    assert re.search(rf"augment/tested\.yaml{where}", fault.where), fault.where
    assert re.search(found, fault.found), fault.found
    assert expected in fault.expected
    assert "as version 1.0.0 was published" in fault.expected
    assert "a version above 1.0.0" in fault.fix
    assert "augment-ops policy diff tested@1.0.0 tested" in fault.fix


def test_the_order_of_transforms_is_content(library: Path) -> None:
    steps = TEXT.partition("transforms:\n")[2]
    affine, _, rest = steps.partition("  - OneOf")
    _policies(library, TEXT.replace(steps, f"  - OneOf{rest}{affine}"))
    with pytest.raises(PolicyError, match=r"transforms\[0\]"):
        admit(library, "tested")


@pytest.mark.parametrize(
    ("version", "refused"), [("0.9.9", True), ("1.9.9", True), ("1.10.1", False), ("2.0.0", False)]
)
def test_versions_go_up(library: Path, version: str, refused: bool) -> None:
    newer = _policies(library, TEXT.replace("1.0.0", "1.10.0"))
    keep_published(newer, admit(newer, "tested"))
    assert published_versions(library, "tested") == ["1.0.0", "1.10.0"]
    _policies(library, TEXT.replace("1.0.0", version))
    if not refused:
        assert admit(library, "tested").version == version
        return
    with pytest.raises(PolicyError, match=r"tested\.yaml: version") as caught:
        admit(library, "tested")
    assert "1.10.0" in caught.value.faults[0].expected
    _policies(library, TEXT)  # back to an old one, unchanged, is no new version
    assert admit(library, "tested").version == "1.0.0"


@pytest.mark.parametrize("version", ["01.0.0", "1.00.0", "1.0", "1.0.0.0", "1.0.0-a", "v1.0.0", "١.0.0", "1.0.0\\n"])
def test_a_version_has_one_spelling(library: Path, version: str) -> None:
    """Else 01.0.0 would be 1.0.0 with other content."""
    _policies(library, TEXT.replace("version: 1.0.0", f'version: "{version}"'))
    with pytest.raises(PolicyError, match="version"):
        admit(library, "tested")


def test_a_copy_stays_what_it_was(library: Path) -> None:
    path = published_path(library, "tested", "1.0.0")
    changed = Policy.from_text(TEXT.replace("limit: 7", "limit: 8"))
    assert keep_published(library, changed) == path
    assert path.read_text() == TEXT
    assert [p.name for p in path.parent.iterdir()] == ["1.0.0.yaml"]


@pytest.mark.parametrize("text", [TEXT.replace("1.0.0", "1.0.1"), TEXT.replace("name: tested", "name: other")])
def test_a_copy_of_something_else_is_refused(library: Path, text: str) -> None:
    published_path(library, "tested", "1.0.0").write_text(text)
    for act in (lambda: admit(library, "tested"), lambda: load(library, "tested@1.0.0")):
        with pytest.raises(PolicyError, match="as its place says") as caught:
            act()
        assert "git checkout" in caught.value.faults[0].fix


def test_a_missing_copy_is_named_by_its_neighbours(library: Path) -> None:
    with pytest.raises(PolicyError, match=r"published/tested/1\.0\.1\.yaml") as caught:
        load(library, "tested@1.0.1")
    assert "1.0.0" in str(caught.value)
    published_path(library, "tested", "1.0.0").unlink()
    policy = admit(library, "tested")
    assert not is_published(library, policy)
    assert keep_published(library, policy).read_text() == TEXT


def test_a_published_version_loads_by_name_and_version(library: Path) -> None:
    _policies(library, TEXT.replace("1.0.0", "1.1.0").replace("limit: 7", "limit: 8"))
    old, new = admit(library, "tested@1.0.0"), admit(library, "tested")
    assert (old.version, new.version) == ("1.0.0", "1.1.0")
    assert old.digest != new.digest
    assert policy_path(library, "tested@1.0.0") == published_path(library, "tested", "1.0.0")


@pytest.mark.parametrize(
    "name",
    ["../augment/tested@1.0.0", "../../outside@1.0.0", "tested@../../../outside", "tested@", "@1.0.0", "/etc/passwd@1",
     "../published/tested/1.0.0", "tested@1.0.0@1.0.0", "TESTED@1.0.0"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(library: Path, name: str) -> None:
    """Outside lies what would load if it were looked for."""
    (library.parent / "outside.yaml").write_text(TEXT)
    (library.parent / "outside").mkdir(exist_ok=True)
    (library.parent / "outside" / "1.0.0.yaml").write_text(TEXT)
    with pytest.raises(PolicyError):
        admit(library, name)


def test_a_file_elsewhere_is_held_against_what_was_published(
    library: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "tested.yaml"
    path.write_text(TEXT)
    assert admit(library, str(path)).version == "1.0.0"
    path.write_text(TEXT.replace("limit: 7", "limit: 8"))
    with pytest.raises(PolicyError, match=rf"{path}:32"):
        admit(library, str(path))


def test_a_policy_that_was_never_published_is_free(policies: Path, text: Callable[..., str]) -> None:
    (policies / "limits" / "general.yaml").write_text("domain: general\ndescription: d\n")
    for step in ("Rotate: {limit: 1}", "Rotate: {limit: 2}"):
        path = policies / "augment" / "tested.yaml"
        path.write_text(text(step))
        check_published(policies, load(policies, "tested"), str(path))
