"""What training candidate and control at once saves on the command line: whole runs with and without, in turns.

    python benchmarks/both_at_once.py path/to/fashion_mnist_images.tar.gz

20,000 images of training and 500 of test, of Fashion-MNIST, three epochs, policy fashion-robust, each run in an
empty home. Writes benchmarks/both_at_once.json: seconds of both trainings (the longer one where they ran at once, else
their sum) and of the whole run, the least of two rounds, and whether all four runs made the same models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
_ROUNDS = 2
_IMAGES = {"train": 20_000, "test": 500}
_COMMAND = ["run", "--policy", "fashion-robust", "--epochs", "3", "--run-id", "bench", "--json"]
_WAYS = {"at_once": [], "one_by_one": ["--one-by-one"]}


def main(archive: str) -> None:
    took: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
    models = set()
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "fashion-mnist"
        _unpack(Path(archive), pictures)
        for turn in range(_ROUNDS):
            for way, options in _WAYS.items():
                seconds, made = _run(pictures, Path(folder) / f"{way}-{turn}", options)
                took[way].append(seconds)
                models.add(made)
                print(way, json.dumps(seconds), flush=True)
    least = {way: {name: min(one[name] for one in of) for name in of[0]} for way, of in took.items()}
    result = {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        **least,
        "trainings_ratio": round(least["one_by_one"]["trainings_s"] / least["at_once"]["trainings_s"], 2),
        "same_models": len(models) == 1,
    }
    (HERE / "both_at_once.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _unpack(archive: Path, folder: Path) -> None:
    """As many images of each class: folder/split/class/name."""
    left = {(split, str(label)): many // 10 for split, many in _IMAGES.items() for label in range(10)}
    with tarfile.open(archive) as tar:
        for member in tar:
            split, label, name = ("", "", *Path(member.name).parts)[-3:]
            if not member.isfile() or not left.get((split, label)):
                continue
            left[split, label] -= 1
            goal = folder / split / label / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            data = tar.extractfile(member)
            assert data is not None
            goal.write_bytes(data.read())


def _run(pictures: Path, home: Path, options: list[str]) -> tuple[dict[str, float], tuple[str, str]]:
    """Seconds, and the digests of both models."""
    augment_ops = Path(sys.executable).with_name("augment-ops")
    started = time.perf_counter()
    done = subprocess.run(
        [augment_ops, *_COMMAND, "--dataset", pictures, *options],
        env={**os.environ, "AUGMENT_OPS_HOME": str(home)},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    whole_s = time.perf_counter() - started
    assert done.returncode in (0, 1), done.returncode  # promoted, or refused by the gate
    report = json.loads((home / "reports" / "bench" / "report.json").read_text())
    of_each = [report["measured"][name] for name in ("train_candidate (s)", "train_control (s)")]
    trainings_s = sum(of_each) if options else max(of_each)
    models = tuple(report["stress"]["models"][role] for role in ("candidate", "control"))
    return {"trainings_s": round(trainings_s, 1), "whole_s": round(whole_s, 1)}, models


if __name__ == "__main__":
    main(*sys.argv[1:])
