from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.errors import PolicyError
from augment_ops.training import NAMES, trainer
from augment_ops.training.recipe import Recipe
from support.places import POLICIES

HEAD = "name: mine\nversion: 1.0.0\ndescription: For tests.\n"


def written(folder: Path, sections: str, head: str = HEAD) -> Path:
    path = folder / "mine.yaml"
    path.write_text(head + sections)
    return path


@pytest.mark.parametrize("path", sorted((POLICIES / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_read(path: Path) -> None:
    assert Recipe.load(path).name == path.stem


@pytest.mark.parametrize("name", NAMES)
def test_the_default_writes_out_what_each_trainer_does_by_itself(name: str) -> None:
    section = Recipe.load(POLICIES / "recipes" / "default.yaml").settings(name)
    assert section == trainer(name).settings()
    assert section.model_fields_set == set(type(section).model_fields)


def test_policies_without_recipes_are_trained_as_before_there_were_any(tmp_path: Path) -> None:
    found = Recipe.load(tmp_path / "recipes" / "default.yaml")
    assert found == Recipe.load(POLICIES / "recipes" / "default.yaml")
    with pytest.raises(PolicyError, match="no such file"):
        Recipe.load(tmp_path / "recipes" / "long.yaml")


def test_all_faults_are_told_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "torch:\n  optimiser: {name: adamw}\n  label_smoothing: 1\n  optimizer: {name: adamw, momentum: 0.9}\n"
        "  schedule: {name: cosines}\nsklearn: {rounds: 0}\n",
    )
    with pytest.raises(PolicyError) as raised:
        Recipe.load(path)
    where = {fault.where.rpartition("mine.yaml: ")[2]: fault for fault in raised.value.faults}
    assert set(where) == {
        "torch.optimiser", "torch.label_smoothing", "torch.optimizer", "torch.schedule.name", "sklearn.rounds"
    }  # fmt: skip
    assert "optimizer" in where["torch.optimiser"].fix
    assert "momentum and nesterov are sgd's" in str(where["torch.optimizer"])


def test_compiled_code_is_not_shared_by_processes(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="compile or several processes: compiled code normalises"):
        Recipe.load(written(tmp_path, "torch: {compile: true, processes: 2}\n"))


def test_a_trainer_that_it_says_nothing_of_is_refused(tmp_path: Path) -> None:
    recipe = Recipe.load(written(tmp_path, "torch: {}\n"))
    with pytest.raises(PolicyError, match=r"recipe mine: found torch; expected a section for the trainer sklearn"):
        recipe.settings("sklearn")


def test_a_name_that_is_not_the_file_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="the file's own name"):
        Recipe.load(written(tmp_path, "torch: {}\n", HEAD.replace("mine", "yours")))


def test_the_digest_is_of_the_content_and_of_what_is_written_alone(tmp_path: Path) -> None:
    digest = Recipe.load(written(tmp_path, "torch: {accumulate: 2}\n")).digest
    assert Recipe.load(written(tmp_path, "torch:  # two\n  accumulate: 2\n")).digest == digest
    assert Recipe.load(written(tmp_path, "torch: {accumulate: 2, threads: 1}\n")).digest != digest
    assert Recipe.load(written(tmp_path, "torch: {accumulate: 3}\n")).digest != digest
