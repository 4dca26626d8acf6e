"""A model as a stranger would ask it: its file, torch, and nothing of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from augment_ops.errors import StoreError
from augment_ops.tracking import fresh, load_program
from augment_ops.training import loop
from augment_ops.training.export import export
from augment_ops.training.models import small_cnn

IMAGES = np.random.default_rng(3).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pt2"
    export(loop.build(small_cnn, (8, 8, 1), 10, 7), (8, 8, 1), path)
    return path


def test_a_fresh_process_gives_the_very_answers(program: Path) -> None:
    answers = fresh.ask_in_fresh_process(program, IMAGES)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, load_program(program)(IMAGES), rtol=1e-5, atol=1e-5)


def test_the_stranger_can_import_nothing_of_this_checkout_by_accident(program: Path, tmp_path: Path) -> None:
    """With our package already imported it refuses to answer."""
    np.save(tmp_path / "q.npy", IMAGES)
    code = (
        "import sys, types; sys.modules['augment_ops'] = types.ModuleType('augment_ops');"
        f"sys.path.insert(0, {str(Path(fresh.__file__).parent)!r}); import stranger;"
        f"stranger.main({str(program)!r}, {str(tmp_path / 'q.npy')!r}, {str(tmp_path / 'a.npy')!r})"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "augment_ops was imported" in done.stderr
    assert not (tmp_path / "a.npy").exists()


def test_a_file_that_is_no_program_or_could_run_code_is_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "model.pt2"
    torch.save(torch.nn.Linear(2, 2), pickled)
    with pytest.raises(StoreError):
        fresh.ask_in_fresh_process(pickled, IMAGES)
    pickled.write_bytes(b"nothing")
    with pytest.raises(StoreError):
        fresh.ask_in_fresh_process(pickled, IMAGES)


def test_a_program_for_other_images_cannot_answer(program: Path) -> None:
    with pytest.raises(StoreError, match="torch alone can load and ask"):
        fresh.ask_in_fresh_process(program, IMAGES[:, :4])
