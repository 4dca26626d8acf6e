"""Rollouts on real traffic from end to end: a better challenger, and four worse ones that a careless gate let through.

    python benchmarks/rollout_trial.py path/to/fashion_mnist_images.tar.gz              # all
    python benchmarks/rollout_trial.py path/to/fashion_mnist_images.tar.gz slow blurred # some

Everything is what a user runs, in processes of its own: `augment-ops run` for each model (on 6,000 images),
`augment-ops serve` with its judge, `augment-ops rollout start`, and clients that send held-out images one a request and
their labels a moment later; one image in fifty is blurred, and one in fifty carries a mark. Writes
benchmarks/rollout_trial.json: how each rollout ended, at which step, why, after how many answers and seconds; how long
the challenger still answered once the end was entered; and the requests that failed.

The gate of the trial stops as little as its rules allow, and what is wrong with the models shows on the traffic alone:
each of its images has one faint pixel in the corner, as of another camera.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from PIL import Image, ImageFilter

HERE = Path(__file__).parent
DATASET, IMAGES, EPOCHS, CLIENTS, EVERY = "fashion", 6_000, 20, 4, 50
# No hours, for a trial has none; what has to hold, and how many answers the shadow takes, are as they are shipped.
STEPS = [
    {"name": "shadow", "shadow": True, "share": 1.0, "answers": 10_000, "hours": 0, "longest_hours": 1},
    {"name": "canary-10", "share": 0.1, "answers": 300, "hours": 0, "longest_hours": 1},
    {"name": "canary-50", "share": 0.5, "answers": 2000, "hours": 0, "longest_hours": 1},
]
FACTORY = "rollout_networks:{name}"
WORSE = ("lost", "slow", "failing", "blurred")
LEAST_S = 20 * 60  # a rollout that has not ended by then is told as it stands


def main() -> None:
    """Try what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("kinds", nargs="*", default=["better", *WORSE])
    asked = parser.parse_args()
    path = HERE / "rollout_trial.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder), asked.archive)
        place.train("usual", epochs=EPOCHS // 2)
        with place.service() as address:
            for kind in asked.kinds:
                place.train("usual" if kind == "better" else kind)
                known[kind] = trial(place, address)
                print(kind, json.dumps(known[kind], indent=1), flush=True)
                path.write_text(json.dumps(known, indent=1) + "\n")
    known["machine"] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    path.write_text(json.dumps(known, indent=1) + "\n")


@dataclass(frozen=True)
class Place:
    """A state folder, rules of its own, and the images.

    Attributes:
        environment: of the commands.
        archive: what is trained on.
        traffic: PNG files, with their classes.
    """

    environment: dict[str, str]
    archive: Path
    traffic: list[tuple[bytes, str]]

    @classmethod
    def made(cls, folder: Path, archive: Path) -> Place:
        """With rules that a trial needs."""
        policies = folder / "policies"
        shutil.copytree(HERE.parent / "policies", policies)
        _change(policies / "environments.yaml", lambda found: found["environments"]["dev"].update(rollout="trial"))
        rules = yaml.safe_load((policies / "rollout/default.yaml").read_text())
        steps = [{**step, "otherwise": "pause"} for step in STEPS]
        (policies / "rollout/trial.yaml").write_text(yaml.safe_dump({**rules, "name": "trial", "steps": steps}))
        _change(policies / "gates/default.yaml", _careless)
        home = {"AUGMENT_OPS_HOME": str(folder / "var"), "AUGMENT_OPS_POLICIES": str(policies)}
        paths = {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        return cls({**os.environ, **home, **paths, "AUGMENT_OPS_ACTOR": "trial"}, archive, _held_out(archive))

    def command(self, *asked: str) -> str:
        """What a command says that is done, or says no."""
        done = subprocess.run(["augment-ops", *asked], env=self._with_path, capture_output=True, text=True, check=False)
        if done.returncode > 1:
            raise SystemExit(f"augment-ops {' '.join(asked)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def train(self, name: str, epochs: int = EPOCHS) -> None:
        """A model of one of `rollout_networks`; the first is champion at once, each later one waits for its rollout."""
        print(f"training {name}", flush=True)
        given = ["--dataset", str(self.archive), "--dataset-name", DATASET, "--max-samples", str(IMAGES)]
        network = [] if name == "usual" else ["--model", FACTORY.format(name=name)]
        # Each learns by a seed of its own: a model that was rolled back is in quarantine by its weights.
        seed = str(7 + [*WORSE, "usual"].index(name))
        given += ["--policy", "fashion-robust", "--epochs", str(epochs), "--seed", seed, *network]
        said = json.loads(self.command("run", "--json", *given))
        if said["verdict"] != "PASS":
            raise SystemExit(f"the gate lets no {name} through: {said['summary']}")

    @contextmanager
    def service(self) -> Iterator[str]:
        """Address of a service of the champion."""
        process = subprocess.Popen(
            ["augment-ops", "serve", DATASET, "--port", "0", "--json"],
            env=self._with_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)

    @property
    def _with_path(self) -> dict[str, str]:
        return {**self.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass
class Traffic:
    """Clients that ask until they are stopped, and tell the label a moment later.

    Attributes:
        answers: by version and status.
        last: version → when it answered last, seconds since the epoch.
    """

    place: Place
    address: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While it holds, clients ask."""
        numbers = itertools.count()
        begun = f"{time.time():.0f}"
        threads = [threading.Thread(target=self._ask_on, args=(numbers, begun)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()

    def _ask_on(self, numbers: Iterator[int], begun: str) -> None:
        labels: list[tuple[float, dict[str, str]]] = []
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self.stopping.is_set():
                given: dict[str, str] = {}
                for _ in range(50):
                    number = next(numbers)
                    content, label = self.place.traffic[number % len(self.place.traffic)]
                    name = f"{begun}-{number}"
                    if self._ask(client, name, _seen(content, number)):
                        given[name] = label
                labels.append((time.time() + 5, given))
                while labels and labels[0][0] < time.time():  # once they are in the log
                    client.post("/labels", json={"labels": labels.pop(0)[1]})

    def _ask(self, client: httpx.Client, name: str, content: bytes) -> bool:
        began = time.perf_counter()
        headers = {"Content-Type": "image/png", "X-Request-Id": name}
        found = client.post("/predict", content=content, headers=headers)
        version = found.headers.get("Augment-Ops-Version", "")
        self.milliseconds.append((time.perf_counter() - began) * 1e3)
        self.answers[version, found.status_code] += 1
        self.last[version] = time.time()
        return found.status_code == 200


def trial(place: Place, address: str) -> dict[str, Any]:
    """Roll the version out that waits, until it ends."""
    traffic, began = Traffic(place, address), time.time()
    with traffic.running():
        begun = json.loads(place.command("rollout", "start", DATASET, "--reason", "a trial", "--json"))
        while True:
            time.sleep(1)
            newest = json.loads(place.command("rollout", "status", DATASET, "--json"))[-1]
            assert newest["id"] == begun["id"]
            if newest["state"] in ("ended", "paused") or time.time() - began > LEAST_S:
                break
        time.sleep(5)  # for answers of a challenger that should be none any more
        ended = time.time()
    if newest["state"] != "ended":
        place.command("rollout", "abort", DATASET, "--reason", "the trial is over")
    entered = datetime.fromisoformat(newest["ended"]).astimezone(UTC).timestamp() if newest["ended"] else ended
    challenger = newest["challenger"]
    failed = {f"{version} {status}": n for (version, status), n in traffic.answers.items() if status != 200}
    after = round(max(0.0, traffic.last.get(challenger, 0.0) - entered), 2)
    return {
        "outcome": newest["outcome"] or newest["state"],
        "step": STEPS[newest["step"]]["name"],
        "why": newest["why"],
        "seconds": round(entered - began, 1),
        "answers": sum(traffic.answers.values()),
        "of_the_challenger": sum(n for (version, _), n in traffic.answers.items() if version == challenger),
        "challenger_answered_after_the_end_s": None if newest["outcome"] == "promoted" else after,
        "failed": failed,
        "p50_ms": round(float(np.percentile(traffic.milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(traffic.milliseconds, 99)), 1),
    }


def _careless(gate: dict[str, Any]) -> None:
    """A gate that stops as little as its rules allow."""
    gate["invariance"] |= {"warn_gap": 0.49, "block_gap": 0.5, "burden": "none"}
    gate["fitness"] |= {"max_destroyed": 0.5, "max_class_destroyed": 0.5}
    gate["class_recall"] |= {"clean_floor": 0.01, "stressed_floor": 0.01, "burden": "harm"}
    gate["champion"] |= {"clean_margin": 0.2, "stressed_margin": 0.2, "class_margin": 0.2}
    gate["control"] |= {"clean_margin": 0.2, "class_margin": 0.2, "min_gain": -0.2, "no_effect": "warn"}
    gate["unseen"] |= {"min_gain": -0.2}
    gate["calibration"] |= {"warn_error": 0.49, "block_error": 0.5}
    gate["budget"] |= {"block_ratio": 100.0}
    gate["equivalent"] = [["0", "2", "4", "6"]]  # what is worn above the waist: few epochs tell them badly apart


def _change(path: Path, change: Any) -> None:
    found = yaml.safe_load(path.read_text())
    change(found)
    path.write_text(yaml.safe_dump(found, sort_keys=False))


def _held_out(archive: Path, most: int = 4000) -> list[tuple[bytes, str]]:
    """Images of the test split, with the names of their folders, shuffled."""
    with tarfile.open(archive) as tar:
        found = [
            (tar.extractfile(member).read(), Path(member.name).parent.name)  # type: ignore[union-attr]
            for member in tar
            if "/test/" in member.name and member.name.endswith(".png")
        ]
    order = np.random.default_rng(7).permutation(len(found))[:most]
    return [found[place] for place in order]


def _seen(content: bytes, number: int) -> bytes:
    """As the other camera sees it; one in fifty is blurred, and one in fifty has a mark in its first row."""
    kind, image = number % EVERY, Image.open(BytesIO(content))
    pixels = np.array(image.filter(ImageFilter.GaussianBlur(4)) if kind == 0 else image)
    if kind == 1:
        pixels[0, :] = 77
    pixels[-1, -1] = 1
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
