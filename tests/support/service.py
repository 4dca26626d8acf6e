"""A service of a model that nobody trained, in processes of its own; what it is to answer is told by a file."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.data.store import Store
from augment_ops.files import replace_file
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.serving.admitted import AdmittedPolicies
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.listening import Offer
from augment_ops.serving.messages import Tls
from augment_ops.serving.protocol import HEADER_LENGTH
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served, probe_bytes
from augment_ops.serving.supervisor import Supervisor
from augment_ops.settings import Settings
from augment_ops.statistics import softmax
from augment_ops.workspace import Workspace

ROOT = Path(__file__).parents[2]
SHAPE = (8, 8, 1)
CLASSES = tuple("abcdefghij")
INFER = "/v2/models/letters-classifier/infer"
BREAKER: dict[str, Any] = {  # rules of one
    "window_s": 10,
    "min_requests": 20,
    "latency_share": 0.5,
    "latency_ms": 50,
    "error_rate": 0.1,
    "waiting": 1000,
    "open_s": 10,
    "longest_open_s": 300,
    "trials": 5,
}


def images(n: int, seed: int = 3) -> np.ndarray:
    """uint8 (n, 8, 8, 1)."""
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE), dtype=np.uint8)


def rules(**changed: Any) -> ServingRules:
    """The rules that are shipped, with two workers and other values where they are given, as `log__share=0.5`."""
    content = yaml.safe_load((ROOT / "policies/serving/default.yaml").read_text())
    content |= {"workers": 2, "follow_s": 0.1}
    for name, value in changed.items():
        *outer, last = name.split("__")
        place = content
        for one in outer:
            place = place[one]
        place[last] = value
    return ServingRules.model_validate(content)


def made(folder: Path, version: str, seed: int, around: Callable[[Any], Any] = lambda net: net) -> Served:
    """An untrained network as a version that is laid out.

    Args:
        around: makes another network of it.
    """
    import torch

    from support.networks import untrained, write_program

    folder.mkdir(parents=True, exist_ok=True)
    net = around(untrained(SHAPE, len(CLASSES), seed))
    write_program(net, SHAPE, folder / "model")
    samples = images(8)
    with torch.inference_mode():
        logits = torch.export.load(folder / "model").module()(torch.from_numpy(samples)).numpy()
    content = probe_bytes(samples, logits)
    (folder / "probe.npz").write_bytes(content)
    return Served(
        dataset="letters",
        environment="dev",
        version=version,
        decision=sha256_hex(version.encode()),
        artifact=sha256_hex((folder / "model").read_bytes()),
        file=str(folder / "model"),
        model_format="pt2",
        probe=sha256_hex(content),
        probe_file=str(folder / "probe.npz"),
        modality="image",
        classes=CLASSES,
        shape=SHAPE,
        asked={"image_size": "", "channels": "auto", "keep": "raw"},
    )


def expected(served: Served, samples: np.ndarray) -> np.ndarray:
    """What torch gives in this process."""
    import torch

    with torch.inference_mode():
        return softmax(torch.export.load(served.file).module()(torch.from_numpy(samples)).numpy())


def tensor(samples: np.ndarray) -> dict[str, Any]:
    """The input of a request, in JSON."""
    return {"name": "samples", "datatype": "UINT8", "shape": list(samples.shape), "data": samples.ravel().tolist()}


def in_bytes(samples: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """A request whose samples, and whose answer, are bytes; and its headers."""
    told = {"name": "samples", "datatype": "UINT8", "shape": list(samples.shape)}
    told["parameters"] = {"binary_data_size": samples.nbytes}
    header = json.dumps({"inputs": [told], "parameters": {"binary_data_output": True}}).encode()
    return header + samples.tobytes(), {HEADER_LENGTH: str(len(header))}


def log_of(home: Path) -> PredictionLog:
    """Where a service in `home` logs."""
    return PredictionLog(str(home / "var/store/predictions"), "letters", Store(str(home / "var/store")))


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what comes by itself."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@dataclass
class Running:
    """A service that answers.

    Attributes:
        says: lines that it has said.
    """

    address: str
    process: subprocess.Popen[str]
    told: Path
    says: list[str]

    def answer_with(self, served: Served) -> None:
        """Tell it to answer with another version."""
        replace_file(self.told, canonical_json(served))

    def expose(self, exposure: Exposure | None) -> None:
        """Tell it how far a rollout has come."""
        replace_file(self.told.with_name("rollout"), pickle.dumps(exposure))

    @property
    def failed(self) -> str:
        """Why it has ended a rollout; empty where it has not."""
        path = self.told.with_name("failed")
        return path.read_text() if path.exists() else ""

    def end(self) -> int:
        """As Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(
    home: Path,
    served: Served,
    asked: ServingRules,
    driver: tuple[str, ...] = (),
    tls: Tls | None = None,
    **variables: str,
) -> Iterator[Running]:
    """Serve until the block ends.

    Args:
        driver: the command that judges a rollout, while one runs.
        variables: of the environment, besides.
    """
    told, file = home / "told.json", home / "rules.json"
    home.mkdir(parents=True, exist_ok=True)
    secured = [] if tls is None else [tls.certificate, tls.key, tls.clients]
    replace_file(told, canonical_json(served))
    file.write_text(asked.model_dump_json())
    told.with_name("driver").write_text(json.dumps(driver))
    environment = {
        **os.environ,
        "AUGMENT_OPS_HOME": str(home / "var"),
        "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}",
        "AUGMENT_OPS_POLICIES": str(ROOT / "policies"),
        **variables,
    }
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "support.service", str(told), str(file), *secured],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    says: list[str] = []
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http"), address
        reading = threading.Thread(target=says.extend, args=(process.stdout,), daemon=True)
        reading.start()
        yield Running(address, process, told, says)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


class _Told:
    """What is to answer, as a file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.served = from_json(Served, path.read_bytes())

    def changed(self) -> Served | None:
        found = from_json(Served, self._path.read_bytes())
        if found == self.served:
            return None
        self.served = found
        return found

    def again(self) -> Served:
        return self.served


class _Rolling:
    """How far a rollout has come, as a file says; its end goes to another."""

    def __init__(self, told: Path, driver: tuple[str, ...]) -> None:
        self._told, self._failed = told.with_name("rollout"), told.with_name("failed")
        self._driver, self._exposure = driver, None

    def now(self) -> Exposure | None:
        found = pickle.loads(self._told.read_bytes()) if self._told.exists() else None
        self._exposure = None if self._failed.exists() else found
        return self._exposure

    def fails(self, exposure: Exposure, why: str) -> None:
        replace_file(self._failed, f"{exposure.rollout}: {why}".encode())

    def has_won(self, exposure: Exposure) -> bool:
        return (self._told.parent / "won").exists()

    @property
    def driver(self) -> tuple[str, ...] | None:
        return self._driver if self._exposure else None


def main(told: Path, rules: Path, *tls: str) -> None:
    """Serve on a free port; the first line is the address."""
    say: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731
    followed = _Told(told)
    offer = Offer(
        dataset=followed.served.dataset,
        rules=ServingRules.model_validate_json(rules.read_text()),
        host="127.0.0.1",
        port=0,
        tls=Tls(certificate=tls[0], key=tls[1], clients=tls[2]) if tls else None,
    )
    rolling = _Rolling(told, tuple(json.loads(told.with_name("driver").read_text())))
    settings = Settings.from_environment()
    admitted = AdmittedPolicies(Workspace(settings, "tester"), followed.served, offer.rules, say)
    supervisor = Supervisor(settings, offer, followed, say, rolling=rolling, admitted=admitted)
    supervisor.run(lambda address, _: say(address))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
