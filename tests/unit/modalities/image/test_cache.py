from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numba
import pytest

from augment_ops.engine import kernels
from augment_ops.modalities.image import kernels as image_kernels
from augment_ops.modalities.image.kernels import fused
from augment_ops.modalities.tabular import kernels as tabular_kernels


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir(), own.mkdir()
    monkeypatch.setattr(kernels, "_HERE", shared)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    (shared / "one.py").write_text("a = 1\n")
    (own / "two.py").write_text("b = 1\n")
    return own


@pytest.mark.parametrize("changed", ["own/two.py", "shared/one.py"])
def test_a_change_in_any_file_leads_to_another_folder(package: Path, tmp_path: Path, changed: str):
    """numba itself looks at the file of the outermost function alone, and would keep old loops inside new ones."""
    before = kernels._cache_folder(package)
    assert before == kernels._cache_folder(package)
    (tmp_path / changed).write_text("b = 2\n")
    after = kernels._cache_folder(package)
    assert after != before
    assert before.parent == after.parent == package / "__pycache__"


def test_a_folder_of_the_users_choice_is_kept_to(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "chosen"))
    assert kernels._cache_folder(package).parent == tmp_path / "chosen"


def test_where_the_package_is_read_only_the_users_cache_serves(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (package / "__pycache__").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert kernels._cache_folder(package).parent == tmp_path / "home" / "augment-ops"


@pytest.mark.parametrize("package", [kernels, image_kernels, tabular_kernels])
def test_every_module_of_loops_keeps_them_there(package: ModuleType):
    """One that is imported past `load` keeps them beside its file, where only changes of that file are seen."""
    place = Path(str(package.__file__)).parent
    names = [path.stem for path in place.glob("*.py") if "@entry" in path.read_text()]
    assert names
    for name in names:
        module = import_module(f"{package.__name__}.{name}")
        caches = [getattr(one, "_cache", None) for one in vars(module).values()]
        places = [str(cache.cache_path) for cache in caches if getattr(cache, "cache_path", None)]
        assert places
        assert all("loops-" in found for found in places), name


def test_other_users_of_numba_are_left_alone():
    assert "loops-" not in numba.config.CACHE_DIR
    assert "loops-" in str(fused.run_segment._cache.cache_path)  # type: ignore[attr-defined]
