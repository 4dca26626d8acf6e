"""A model that nobody vouches for: asked in a process that has nothing of this project, and may do nothing."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import io
import json
import os
import platform
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from augment_ops.errors import StoreError
from augment_ops.runtime import isolated, load, pt2_archive
from augment_ops.runtime.artifact import Artifact, read_artifact
from augment_ops.runtime.isolated import IsolatedModel, ask_in_isolated_process
from support.networks import untrained, write_program

IMAGES = np.random.default_rng(3).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="these layers are Linux's")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pt2"
    write_program(untrained((8, 8, 1)), (8, 8, 1), path)
    return path


@pytest.fixture(scope="module")
def artifact(path: Path) -> Artifact:
    content = path.read_bytes()
    return Artifact(content, hashlib.sha256(content).hexdigest(), "model.pt2")


@pytest.fixture(scope="module")
def model(artifact: Artifact) -> Iterator[IsolatedModel]:
    with load(artifact) as opened:
        assert isinstance(opened, IsolatedModel)
        yield opened


def children() -> set[psutil.Process]:
    """Processes that hold programs."""
    return set(psutil.Process(isolated._waiting["pt2"].process.pid).children())


def test_its_predictions_are_those_of_torch_in_this_process(model: IsolatedModel, path: Path) -> None:
    """To the last bit: a process that may not look at the processor would compute with other, slower loops."""
    program = torch.export.load(path).module()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            expected = program(torch.from_numpy(IMAGES)).numpy()
    finally:
        torch.set_num_threads(threads)
    found = model(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model(IMAGES[::-1]), expected[::-1])
    for count in (1, 3, 20):  # in memory that was made for another number
        np.testing.assert_allclose(model(IMAGES[:count]), expected[:count], rtol=1e-5, atol=1e-5)


def test_embeddings_are_what_the_last_layer_is_fed(model: IsolatedModel, path: Path) -> None:
    logits, embeddings = model.observe(IMAGES)
    np.testing.assert_array_equal(logits, model(IMAGES))
    weights = torch.export.load(path).state_dict
    last = [name for name in weights if name.endswith("weight")][-1]
    layer, bias = weights[last].detach().numpy(), weights[last.replace("weight", "bias")].detach().numpy()
    np.testing.assert_allclose(embeddings @ layer.T + bias, logits, rtol=1e-4, atol=1e-4)


def test_some_thousand_images_are_asked_in_parts(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_BATCH_BYTES", 7 * 64)
    logits, confinement = ask_in_isolated_process(artifact, np.tile(IMAGES, (50, 1, 1, 1)))
    assert logits.shape == (1000, 10)
    np.testing.assert_allclose(logits[-20:], logits[:20], rtol=1e-5, atol=1e-5)
    assert "limits" in confinement


class AboutTheMean(torch.nn.Module):
    """Its answers show which samples were computed together."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        levels = batch.float().flatten(1)[:, :10]
        return levels - levels.mean(0, keepdim=True)


def test_of_many_images_as_many_are_computed_together_as_stay_in_the_cache(tmp_path: Path) -> None:
    """So outcomes are the same whether a suite is asked for in large questions or in small ones."""
    path = tmp_path / "model.pt2"
    write_program(AboutTheMean(), (8, 8, 1), path)
    content = path.read_bytes()
    images = np.random.default_rng(4).integers(0, 256, (150, 8, 8, 1), dtype=np.uint8)
    levels = images.reshape(150, -1)[:, :10].astype(np.float32)
    expected = [part - part.mean(0) for part in np.split(levels, [64, 128])]
    with load(Artifact(content, hashlib.sha256(content).hexdigest(), "model.pt2")) as model:
        np.testing.assert_allclose(model(images), np.concatenate(expected), atol=1e-3)
        for found in model.observe(images):
            np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-3)


def test_threads_ask_side_by_side(model: IsolatedModel) -> None:
    parts = [IMAGES[i : i + 2] for i in range(18)] * 5
    expected = [model(part) for part in parts]
    with ThreadPoolExecutor(3) as pool:
        for found, right in zip(pool.map(model, parts), expected, strict=True):
            np.testing.assert_array_equal(found, right)


def test_a_file_that_is_no_program_or_another_is_refused(tmp_path: Path, path: Path) -> None:
    pickled = tmp_path / "model.pt2"
    torch.save(torch.nn.Linear(2, 2), pickled)
    with pytest.raises(StoreError, match="exporter"):
        load(read_artifact(pickled, hashlib.sha256(pickled.read_bytes()).hexdigest()))
    with pytest.raises(StoreError, match="other content"):
        read_artifact(path, "0" * 64)


def test_a_program_for_other_images_cannot_answer_and_answers_the_next(model: IsolatedModel) -> None:
    expected = model(IMAGES)
    for wrong in (IMAGES[:, :4], IMAGES[0], IMAGES[..., :0]):
        with pytest.raises(StoreError, match="library of its format alone can load and ask"):
            model(wrong)
    np.testing.assert_array_equal(model(IMAGES), expected)


def test_a_process_that_ends_is_an_error_and_the_next_takes_its_place(artifact: Artifact) -> None:
    with load(artifact) as model:
        expected = model(IMAGES)
        waiting = isolated._waiting["pt2"].process
        for child in psutil.Process(waiting.pid).children():
            child.kill()
        with pytest.raises(StoreError, match="the process ended"):
            model(IMAGES)
        np.testing.assert_array_equal(model(IMAGES), expected)
        waiting.kill()
        waiting.wait()
    with load(artifact) as model:  # by an interpreter of its own again
        np.testing.assert_array_equal(model(IMAGES), expected)


def test_an_event_loop_is_told_the_same_and_by_the_next_process_where_one_ends(artifact: Artifact) -> None:
    async def ask(model: IsolatedModel) -> None:
        expected = model(IMAGES)
        np.testing.assert_array_equal(await model.predict_async(IMAGES), expected)
        with pytest.raises(StoreError, match="library of its format alone can load and ask"):
            await model.predict_async(IMAGES[:, :4])
        both = await asyncio.gather(*(model.predict_async(part) for part in (IMAGES[:7], IMAGES[7:])))
        np.testing.assert_allclose(np.concatenate(both), expected, rtol=1e-5, atol=1e-5)
        for child in children() - others:
            child.kill()
        for _ in both:  # as many processes as were asked at once
            with pytest.raises(StoreError, match="the process ended"):
                await model.predict_async(IMAGES)
        np.testing.assert_array_equal(await model.predict_async(IMAGES), expected)

    with load(artifact):
        others = children()
        with load(artifact) as model:
            assert isinstance(model, IsolatedModel)
            asyncio.run(ask(model))


def test_more_scores_than_a_sample_has_are_not_taken(artifact: Artifact) -> None:
    """The process says how many come before they do; a hostile one may say a gigabyte of them."""
    with load(artifact, scores=9) as model:
        for ask in (model, lambda images: asyncio.run(model.predict_async(images))):
            with pytest.raises(StoreError, match="10 scores a sample, and not 9"):
                ask(IMAGES)


def test_a_process_that_says_nothing_holds_no_event_loop_up_and_is_asked_no_more(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(model: IsolatedModel) -> None:
        expected = model(IMAGES)
        for process in children() - others:
            process.suspend()  # as one that computes for ever
        gone = asyncio.create_task(model.predict_async(IMAGES))
        await asyncio.sleep(0)  # in which it puts its question
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        for process in children() - others:
            process.resume()  # what it still says is no answer to the next question
        np.testing.assert_array_equal(await model.predict_async(IMAGES[::-1]), expected[::-1])
        for process in children() - others:
            process.suspend()
        monkeypatch.setattr(isolated, "_TIMEOUT_S", 0.05)
        with pytest.raises(StoreError):
            await model.predict_async(IMAGES)
        for process in children() - others:
            process.kill()

    with load(artifact):  # the interpreter that they are split off from
        others = children()
        with load(artifact) as model:
            assert isinstance(model, IsolatedModel)
            asyncio.run(ask(model))


def test_closing_ends_its_processes_and_leaves_no_descriptor(artifact: Artifact) -> None:
    load(artifact).close()
    gc.collect()
    before = len(list(Path("/dev/fd").iterdir()))
    with load(artifact) as model:
        model(IMAGES)
        children = psutil.Process(isolated._waiting["pt2"].process.pid).children()
        assert children
    gone, _ = psutil.wait_procs(children, timeout=10)
    assert set(children) >= set(gone) and len(gone) >= 1
    gc.collect()
    assert len(list(Path("/dev/fd").iterdir())) <= before


# What an attacker's file would try, as expressions that torch evaluates when it loads a size. Each answers something
# that is true where it succeeded.
TRIES = {
    "write a file": "open({folder!r} + '/written', 'w').write('x')",
    "write through a descriptor": "__import__('os').open({folder!r} + '/opened', 65, 511) >= 0",
    "make a folder": "__import__('os').mkdir({folder!r} + '/made') is None",
    "remove a file": "__import__('os').unlink({secret!r}) is None",
    "read a secret": "len(open({secret!r}).read())",
    "read passwords": "len(open('/etc/passwd').read())",
    "look at the environment of another": "len(open('/proc/{parent}/environ', 'rb').read())",
    "open a socket": "__import__('socket').socket() is not None",
    "open a local socket": "__import__('socket').socketpair() is not None",
    "run a command": "__import__('os').system('touch {folder}/run') == 0",
    "run a program": "__import__('subprocess').run(['/bin/true']).returncode == 0",
    "split off a process": "__import__('os').fork() >= 0",
    "end another process": "__import__('os').kill({parent}, 0) is None",
    "start a thread": "__import__('_thread').start_new_thread(print, ()) > 0",
    "see the environment": "any(n.startswith(('AUGMENT_OPS_', 'MLFLOW_', 'AWS_')) for n in __import__('os').environ)",
    "see an open descriptor": "any(__import__('os').path.exists('/proc/self/fd/%d' % n) for n in range(20, 60))",
    "take much memory": "len(bytearray(1 << 36)) > 0",
}


@pytest.fixture
def unguarded(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What comes of loading a file with an expression for a size, the grammar having been switched off."""

    def attempt(code: str) -> str:
        target = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(artifact.content)) as source, zipfile.ZipFile(target, "w") as written:
            for name in source.namelist():
                data = source.read(name)
                if name == "archive/models/model.json":
                    document = json.loads(data)
                    sizes = document["graph_module"]["graph"]["tensor_values"]["images"]["sizes"]
                    sizes[0]["as_expr"]["expr_str"] = code
                    data = json.dumps(document).encode()
                written.writestr(name, data)
        monkeypatch.setattr(pt2_archive, "checked", lambda artifact: artifact.content)
        with pytest.raises(StoreError) as caught:
            load(Artifact(target.getvalue(), "", "attack.pt2"))
        return caught.value.faults[0].found

    return attempt


# Raises what the attempt came to, in words that come back with the error.
REPORT = """eval(compile({block!r}, 'attack', 'exec'), {{}})"""
BLOCK = """
try:
    came = bool({code})
except BaseException as error:
    came = type(error).__name__
raise SystemExit('came to: ' + str(came))  # torch catches every Exception
"""


@LINUX
@pytest.mark.parametrize("what", TRIES)
def test_code_that_runs_all_the_same_can_do_nothing(
    what: str, unguarded: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUGMENT_OPS_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    secret = tmp_path / ".ssh" / "id_ed25519"
    secret.parent.mkdir()
    secret.write_text("a key")
    code = TRIES[what].format(folder=str(tmp_path), secret=str(secret), parent=os.getpid())
    found = unguarded(REPORT.format(block=BLOCK.format(code=code)))
    if "came to: True" in found or "came to" not in found:
        pytest.fail(f"{what}: {found}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ssh"]
    assert secret.read_text() == "a key"


@LINUX
def test_a_process_changes_neither_the_program_nor_the_memory_under_its_asker(model: IsolatedModel) -> None:
    """They share it; what one process did to it, the next of the same program would load."""
    for descriptor, attempt in (
        (model._content, lambda: os.pwrite(model._content, b"x", 0)),
        (model._idle[0]._samples, lambda: os.ftruncate(model._idle[0]._samples, 0)),
    ):
        size = os.fstat(descriptor).st_size
        with pytest.raises(PermissionError):
            attempt()
        assert os.fstat(descriptor).st_size == size > 0


@LINUX
def test_the_attempts_would_succeed_without_confinement(tmp_path: Path) -> None:
    """So what is shown above is the confinement, not that the attempts are none."""
    (tmp_path / "secret").write_text("a key")
    harmless = ("write a file", "make a folder", "read a secret", "open a socket", "run a command", "start a thread")
    for what in harmless:
        code = TRIES[what].format(folder=str(tmp_path), secret=str(tmp_path / "secret"), parent=os.getpid())
        done = subprocess.run(
            [sys.executable, "-I", "-c", BLOCK.format(code=code)], capture_output=True, text=True, check=False
        )
        assert "came to: True" in done.stderr, what


@LINUX
def test_every_layer_of_this_platform_is_reported(model: IsolatedModel) -> None:
    kinds = {layer.partition(" ")[0] for layer in model.confinement}
    assert {"no", "limits"} <= kinds
    if platform.machine() == "x86_64":
        assert "seccomp" in kinds
    # A container's own filter may forbid landlock, and an old kernel has none.
    if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1:
        assert "landlock" in kinds


def test_nothing_of_this_project_is_imported_there(path: Path) -> None:
    code = (
        "import sys, types; sys.modules['augment_ops'] = types.ModuleType('augment_ops');"
        f"sys.path.insert(0, {str(Path(isolated.__file__).parent)!r}); import isolated_process, os;"
        f"program = os.open({str(path)!r}, os.O_RDONLY);"
        "isolated_process._answer(list, None, 1, program, 0)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False)
    assert done.returncode != 0
    assert b"augment_ops was imported" in done.stdout


def test_no_socket_is_needed_by_name(artifact: Artifact) -> None:
    """Nothing of it lies in a folder where somebody else could have put something first."""
    with load(artifact):
        family = {c.family for c in psutil.Process(isolated._waiting["pt2"].process.pid).net_connections("all")}
    assert family <= {socket.AF_UNIX}
