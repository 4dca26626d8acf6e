"""What the documentation says can be typed exists, and what it links to is there."""

from __future__ import annotations

import json
import pkgutil
import re
import shlex
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer

from augment_ops import project
from augment_ops.cli import add_commands
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.text.lexicon_file import lexicon_path, written
from augment_ops.policy.spec import Policy
from augment_ops.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^augment-ops .+$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")


def command_tree() -> Any:
    app = typer.Typer()
    add_commands(app)
    return typer.main.get_command(app)


def examples() -> list[str]:
    shown = [line for page in PAGES for line in COMMAND.findall(page.read_text())]
    group, found = command_tree(), []
    for name, command in group.commands.items():
        inner = command.commands.values() if hasattr(command, "commands") else [command]
        for one in inner:
            help_text = one.help or ""
            assert "Example: augment-ops" in help_text, f"{name}: --help shows no example"
            found.append(help_text.split("Example: ")[1].splitlines()[0])
    return sorted({re.split("  #| [|][|] ", line)[0].strip() for line in [*shown, *found]})


@pytest.mark.parametrize("line", examples())
def test_commands_in_docs_and_help_exist_with_their_options(line: str) -> None:
    words = shlex.split(line)[1:]
    group = command_tree()
    while hasattr(group, "commands"):
        assert words[0] in group.commands, f"no command {words[0]}"
        group = group.commands[words.pop(0)]
    group.make_context(line, words, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


def test_the_pages_name_every_environment_variable_that_is_read() -> None:
    readers = (Settings.from_environment, project.home_of)
    sources = "".join(Path(reader.__code__.co_filename).read_text() for reader in readers)
    read = set(re.findall(r"AUGMENT_OPS_[A-Z_]+[A-Z]", sources))
    documented = (ROOT / "docs" / "pipeline.md").read_text()
    assert {name for name in read if name not in documented} <= {"AUGMENT_OPS_ACTOR"}


def test_the_readme_starts_with_the_two_commands() -> None:
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands[:2] == ["demo", "test"]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "test-slow", "down"} <= set(targets)


def test_every_make_target_that_is_named_anywhere_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    sources = [*PAGES, ROOT / "Makefile", *(ROOT / "augment_ops").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"`make (?:[A-Z]+=\S+ )*([a-z-]+)`", path.read_text())}
    assert {"demo", "install", "test"} <= named
    assert sorted(named - set(targets)) == []


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(ROOT)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    names: dict[str, Any] = {"images": images, "ids": [1, 2, 3, 4]}
    exec(code, names)
    assert names["out"].shape == images.shape
    assert (names["out"] != images).any()


def test_the_plan_in_the_docs_is_the_plan_that_is_made() -> None:
    text = (ROOT / "docs" / "engine.md").read_text()
    augment = Augmenter(Policy.load(ROOT / "policies" / "augment" / "fashion-robust.yaml"), seed=0)
    assert "\n".join(["```", *augment.describe(), "```"]) in text


def test_the_python_of_the_engines_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    first, loader, workers, ranks, tensors, form, mixer = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "engine.md").read_text(), re.DOTALL
    )
    monkeypatch.chdir(ROOT)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), dtype=np.uint8)
    names: dict[str, Any] = {
        "images": images,
        "list_of_images": list(images),
        "names": ("a", "b", "c", "d"),
        "epochs": 2,
        "masks": (images > 99).astype(np.uint8),
        "boxes": [np.array([[3.0, 4.0, 10.0, 9.0]])] * 4,
        "labels": np.arange(4),
        "floats": (images / 255).astype(np.float32),
        "torch": torch,
        "device": "cpu",
    }
    exec(first, names)
    assert (names["both"].images == names["out"]).all()
    exec(loader.replace('device="cuda"', 'device="cpu"').replace("...", "seen = pixels.shape"), names)
    names["source"].close()
    assert names["seen"] == (4, 28, 28, 1)
    exec(workers, names)
    assert sum(len(wanted) for _, wanted in names["loader"]) == 4
    shares = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "2")
        exec(ranks, names)
        shares += [len(wanted) for _, wanted in names["data"]]
    assert shares == [2, 2]
    exec(tensors, names)
    assert (names["found"].numpy() == names["out"]).all()
    exec(form, names)
    assert names["ready"].shape == (4, 1, 28, 28)
    exec(mixer, names)
    assert next(names["source"].epoch(0)).mixed.labels.shape == (4, 10)
    names["source"].close()


def test_the_mixing_of_the_docs_is_one() -> None:
    (line,) = re.findall(r"^mixing: .*", (ROOT / "docs" / "engine.md").read_text(), re.MULTILINE)
    text = (ROOT / "policies" / "augment" / "fashion-robust.yaml").read_text()
    assert Policy.from_text(f"{text}{line}\n").mixing is not None


def test_the_narrowed_family_of_the_docs_is_one() -> None:
    (steps,) = re.findall(r"```yaml\n(domain: .*?)```", (ROOT / "docs" / "engine.md").read_text(), re.DOTALL)
    head = (ROOT / "policies" / "augment" / "fashion-robust.yaml").read_text().partition("transforms:")[0]
    text = re.sub(r"^domain: .*\n", "", head, flags=re.MULTILINE) + steps
    told = Policy.from_text(text, policies=ROOT / "policies").narrowings()
    assert any("Rotate narrowed from ±9° to ±2.5°" in line for line in told), told


def test_the_python_of_the_drift_page_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "drift.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {
        "scores": np.array([[0.1, 0.9]]),
        "classes": ["1", "7"],
        "images": np.zeros((1, 8, 8, 1), np.uint8),
    }
    exec(code, names)
    assert len(list(tmp_path.glob("var/store/predictions/digits/predictions/*/*/*.parquet"))) == 1
    assert len(list(tmp_path.glob("var/store/predictions/digits/labels/*/*.parquet"))) == 1


def test_the_paraphrases_of_the_stress_page_are_rows_of_what_they_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also of a question that stands twice in test, or with blanks around it: lexicons have neither."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "stress.md").read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "paraphrases" in block]
    monkeypatch.chdir(tmp_path)
    lexicon = lexicon_path(Path("policies"), "test-paraphrases")
    lexicon.parent.mkdir(parents=True)
    said = {"where is it?": ["where has it got to?"], "send it back": ["return it", "I return it"]}
    lexicon.write_bytes(written("paraphrases", said, {}))
    rows = [("where is it?", "find", "test"), ("where is it?", "find", "test"), (" send it back ", "return", "test")]
    table = pd.DataFrame([*rows, ("find it", "find", "train")], columns=["question", "intent", "part"])
    exec(code, {"json": json, "Path": Path, "pd": pd, "table": table})
    found = pd.read_csv("questions.csv")
    assert found[found["words"] == "of a customer"]["question"].tolist() == table["question"].tolist()
    assert found[found["words"] == "of a model"].drop(columns="words").to_numpy().tolist() == [
        ["return it", "return", "test"], ["I return it", "return", "test"], ["where has it got to?", "find", "test"],
    ]  # fmt: skip


def test_every_word_of_the_glossary_lives_where_it_says() -> None:
    rows = re.findall(r"^\| (\S.*?) \| .* \| (`.*`) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(dict(rows)) == len(rows) > 40, "one meaning a word"
    for place in (place for _, places in rows for place in re.findall(r"`([^`]+)`", places)):
        pkgutil.resolve_name(place)


# What there is to add, and the page that shows how.
KINDS = (
    "transform", "corruption", "detector", "check", "stage", "parameter", "modality", "trainer", "runtime", "driver",
)  # fmt: skip
EXTENDING = (ROOT / "docs" / "extending.md").read_text()


def shown(kind: str) -> list[tuple[str, str, bool]]:
    """Of the diff that shows how one is added: each file, what is told of it, and whether it is a new one."""
    section = EXTENDING.partition(f"\n## Add a {kind}\n")[2].partition("\n## ")[0]
    diff = section.partition("```diff\n")[2].partition("```")[0]
    parts = re.split(r"^--- (.*)\n\+\+\+ b/(.*)\n", diff, flags=re.MULTILINE)[1:]
    return [
        (name, body, before == "/dev/null")
        for before, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


def lines(body: str, sign: str) -> list[str]:
    """Of a diff, each run of lines that are added (`+`) or removed (`-`)."""
    runs = groupby(body.splitlines(keepends=True), lambda line: line[0])
    return ["".join(line[1:] for line in run) for of, run in runs if of == sign]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_page_shows_added_is_what_was_added(kind: str) -> None:
    files = shown(kind)
    assert files
    for name, body, new in files:
        text = (ROOT / name).read_text()
        added, removed = lines(body, "+"), lines(body, "-")
        assert added or removed, name
        if new:
            assert added == [text], name
        place = 0
        for run in added:
            assert run in text[place:], f"{name} has no such lines, or has them elsewhere: {run}"
            place = text.index(run, place) + len(run)
        assert [run for run in removed if f"\n{run}" in text] == [], name


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_counts_what_it_shows(kind: str) -> None:
    ((own, *told),) = re.findall(
        rf"^\| \[{kind}\]\(#add-a-{kind}\) \| `(.*?)` \| (.*?) \| (.*?) \| ", EXTENDING, re.MULTILINE
    )
    assert (ROOT / own).exists()
    code, tests = {}, {}
    for name, body, _ in shown(kind):
        count = sum(line.startswith("+") for line in body.splitlines())
        if count and not name.startswith(own):
            (tests if name.startswith("tests/") else code)[name] = count
    assert told == [f"{sum(found.values())} in {len(found)}" if found else "–" for found in (code, tests)]
    assert "docs/extending.md" in (ROOT / "CONTRIBUTING.md").read_text()
