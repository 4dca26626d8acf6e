"""A service beside `mlflow models serve` with the same model, in one run.

    python benchmarks/serving.py            # all; writes benchmarks/serving.json
    python benchmarks/serving.py 28 table   # some
    python benchmarks/serving.py router     # what a service costs beside its model, at a steady rate

Needs wrk (Debian: `apt-get install wrk`). Models: the default network, untrained, on images of 28×28×1 and 224×224×3,
and gradient-boosted trees on rows of 15 numbers. Each server is asked for one sample a request, by 1 and by 32
connections, for some seconds, in turns; figures are of the better of two turns each. MLflow is asked in JSON, which is
all that it takes for tensors; ours in JSON as well, and in bytes (Open Inference Protocol). An application that reads
the body and does nothing, on the same server, says how many requests there could be at best.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from augment_ops.content import canonical_json, from_json, sha256_hex
from augment_ops.serving.listening import Offer
from augment_ops.serving.protocol import HEADER_LENGTH
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served, probe_bytes
from augment_ops.serving.supervisor import Supervisor
from augment_ops.settings import Settings

HERE = Path(__file__).parent
SECONDS, TURNS = 5, 2
CONNECTIONS = (1, 32)
SHAPES = {"28": (28, 28, 1), "224": (224, 224, 3), "table": (15,)}
RATE = 100  # requests a second of `router`: far below what the service can do, so that nothing waits for anything else
LUA = """
wrk.method = "POST"
local file = io.open(os.getenv("WRK_BODY"), "rb")
wrk.body = file:read("*a")
for name, value in string.gmatch(os.getenv("WRK_HEADERS"), "([^:;]+):([^;]+)") do wrk.headers[name] = value end
done = function(summary, latency, requests)
  local all = summary.errors
  local bad = all.status + all.connect + all.read + all.write + all.timeout
  io.write(string.format('RESULT {"requests": %d, "seconds": %f, "errors": %d, "p50_ms": %f, "p99_ms": %f}\\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""

# What MLflow serves: the same exported program. Its own flavour of torch needs a torchvision that fits the torch.
CODE = """
import mlflow, numpy, torch
class Net(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        torch.set_num_threads(1)
        self.net = torch.export.load(context.artifacts["net"]).module()
    def predict(self, context, model_input, params=None):
        with torch.inference_mode():
            return self.net(torch.from_numpy(numpy.asarray(model_input, numpy.uint8))).numpy()
mlflow.models.set_model(Net())
"""


def main() -> None:
    """Measure what is asked for."""
    asked = sys.argv[1:]
    if asked[:1] == ["serve"]:  # in a process of its own: a service takes the signals of its process
        serve(Path(asked[1]))
        return
    known = json.loads(path.read_text()) if (path := HERE / "serving.json").is_file() else {}
    for name in asked or [*SHAPES, "router"]:
        with tempfile.TemporaryDirectory() as folder:
            known[name] = router(Path(folder)) if name == "router" else beside(Path(folder), name)
        print(name, json.dumps(known[name], indent=1))
    known["machine"] = {"cores": os.cpu_count(), "processor": platform.processor(), "load": os.getloadavg()[0]}
    path.write_text(json.dumps(known, indent=1) + "\n")


@dataclass(frozen=True)
class Load:
    """What one server is asked: the same bytes again and again."""

    url: str
    body: bytes
    headers: dict[str, str]


def beside(folder: Path, name: str) -> dict[str, Any]:
    """Both servers on one model."""
    served, mlflow_uri = model(folder, name)
    sample = np.zeros((1, *served.shape), np.uint8 if name != "table" else np.float64)
    result: dict[str, Any] = {}
    with ours(folder, served) as address, theirs(folder, mlflow_uri) as other, empty() as nothing:
        loads = {
            "ours_bytes": in_bytes(address, served, sample),
            "empty": replace(in_bytes(address, served, sample), url=nothing),
            "ours_json": in_json(address, served, sample),
            "mlflow": Load(
                f"{other}invocations",
                json.dumps({"inputs": sample.tolist()}).encode(),
                {"Content-Type": "application/json"},
            ),
        }
        for load in loads.values():
            warm(load)
        for connections in CONNECTIONS:
            turns = [{of: measured(load, connections, folder) for of, load in loads.items()} for _ in range(TURNS)]
            best: dict[str, Any] = {of: max((turn[of] for turn in turns), key=lambda one: one["per_s"]) for of in loads}
            best["bytes_over_mlflow"] = round(best["ours_bytes"]["per_s"] / best["mlflow"]["per_s"], 2)
            best["empty_over_mlflow"] = round(best["empty"]["per_s"] / best["mlflow"]["per_s"], 2)
            best["json_over_mlflow"] = round(best["ours_json"]["per_s"] / best["mlflow"]["per_s"], 2)
            best["p99_of_mlflows"] = round(best["ours_bytes"]["p99_ms"] / best["mlflow"]["p99_ms"], 3)
            result[f"{connections} connections"] = best
    return result


def router(folder: Path) -> dict[str, Any]:
    """Milliseconds of a request beside those in the model, at a steady rate that lets nothing wait."""
    served, _ = model(folder, "28", for_mlflow=False)
    sample = np.zeros((1, *served.shape), np.uint8)
    with ours(folder, served) as address:
        load = in_bytes(address, served, sample)
        warm(load)
        beside_model = []
        with httpx.Client(timeout=30) as client:
            for _ in range(RATE * SECONDS):
                began = time.perf_counter()
                found = client.post(load.url, content=load.body, headers=load.headers)
                beside_model.append(found.headers["Server-Timing"])
                time.sleep(max(0.0, 1 / RATE - (time.perf_counter() - began)))
    pattern = re.compile(r"total;dur=([\d.]+), model;dur=([\d.]+)")
    pairs = np.array([[float(one) for one in pattern.search(text).groups()] for text in beside_model])  # type: ignore[union-attr]
    own = pairs[:, 0] - pairs[:, 1]
    return {name: {f"p{at}_ms": round(float(np.percentile(of, at)), 3) for at in (50, 95, 99)}
            for name, of in {"beside_model": own, "model": pairs[:, 1]}.items()}  # fmt: skip


def measured(load: Load, connections: int, folder: Path) -> dict[str, float]:
    """Requests a second, and percentiles of their time."""
    (folder / "wrk.lua").write_text(LUA)
    (folder / "body").write_bytes(load.body)
    environment = {
        **os.environ,
        "WRK_BODY": str(folder / "body"),
        "WRK_HEADERS": ";".join(f"{k}:{v}" for k, v in load.headers.items()),
    }
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout=30s", "-s", str(folder / "wrk.lua"), load.url],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = json.loads(said.split("RESULT ")[1])
    assert found["errors"] == 0, said
    return {
        "per_s": round(found["requests"] / found["seconds"], 1),
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
    }


def warm(load: Load) -> None:
    """Ask some times, and see that it is answered."""
    with httpx.Client(timeout=120) as client:
        for _ in range(50):
            client.post(load.url, content=load.body, headers=load.headers).raise_for_status()


def in_bytes(address: str, served: Served, sample: np.ndarray) -> Load:
    """The Open Inference Protocol with bytes."""
    told = {**named(sample), "parameters": {"binary_data_size": sample.nbytes}}
    header = json.dumps({"inputs": [told], "parameters": {"binary_data_output": True}}).encode()
    return Load(
        f"{address}v2/models/{served.dataset}-classifier/infer",
        header + sample.tobytes(),
        {HEADER_LENGTH: str(len(header))},
    )


def named(sample: np.ndarray) -> dict[str, Any]:
    """What the protocol says of a tensor."""
    return {"name": "samples", "datatype": "UINT8" if sample.dtype == np.uint8 else "FP64", "shape": list(sample.shape)}


def in_json(address: str, served: Served, sample: np.ndarray) -> Load:
    """The Open Inference Protocol in JSON."""
    body = json.dumps({"inputs": [{**named(sample), "data": sample.ravel().tolist()}]}).encode()
    return Load(f"{address}v2/models/{served.dataset}-classifier/infer", body, {"Content-Type": "application/json"})


def model(folder: Path, name: str, *, for_mlflow: bool = True) -> tuple[Served, str]:
    """A model as a service reads it, and as MLflow does: the folder of one."""
    shape = SHAPES[name]
    file = folder / "model"
    uri = str(folder / "mlflow_model")
    if name == "table":
        samples, logits, form = trees(file, uri, for_mlflow=for_mlflow)
        asked: dict[str, Any] = {"columns": ""}
        modality = "tabular"
    else:
        samples, logits, form = network(file, shape, uri, for_mlflow=for_mlflow)
        asked, modality = {"image_size": "", "channels": "auto", "keep": "raw"}, "image"
    probe = probe_bytes(samples, logits)
    (folder / "probe.npz").write_bytes(probe)
    return Served(
        dataset="bench", environment="dev", version="1", decision="0" * 64,
        artifact=sha256_hex(file.read_bytes()), file=str(file), model_format=form,
        probe=sha256_hex(probe), probe_file=str(folder / "probe.npz"),
        modality=modality, classes=tuple(f"class-{n}" for n in range(logits.shape[1])), shape=shape, asked=asked,
    ), uri  # fmt: skip


def network(file: Path, shape: tuple[int, ...], uri: str, *, for_mlflow: bool) -> tuple[np.ndarray, np.ndarray, str]:
    """The default network of images, untrained."""
    import torch

    from augment_ops.modalities import modality
    from augment_ops.modalities.image.networks import small_cnn
    from augment_ops.training import loop
    from augment_ops.training.export import exported

    like = np.empty((0, *shape), np.uint8)
    net = loop.build(small_cnn, modality("image"), like, 10, 7).eval()
    file.write_bytes(exported(net, like))
    samples = np.random.default_rng(1).integers(0, 256, (4, *shape), dtype=np.uint8)
    with torch.inference_mode():
        logits = torch.export.load(file).module()(torch.from_numpy(samples)).numpy()
    if for_mlflow:
        import mlflow.pyfunc

        code = file.with_name("code.py")
        code.write_text(CODE)
        signature = mlflow.models.infer_signature(samples[:1], logits[:1])
        mlflow.pyfunc.save_model(
            uri, python_model=str(code), artifacts={"net": str(file)}, signature=signature, pip_requirements=["mlflow"]
        )
    return samples, logits, "pt2"


def trees(file: Path, uri: str, *, for_mlflow: bool) -> tuple[np.ndarray, np.ndarray, str]:
    """Gradient-boosted trees on rows that are easily told apart."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from augment_ops.training.skops_file import skops_file

    rows = np.random.default_rng(1).normal(size=(5000, 15))
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    fitted = HistGradientBoostingClassifier(max_iter=100).fit(rows, labels)
    file.write_bytes(skops_file(fitted))
    if for_mlflow:
        import mlflow.sklearn

        trusted = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
        mlflow.sklearn.save_model(
            fitted,
            uri,
            input_example=rows[:1],
            pip_requirements=["scikit-learn", "mlflow"],
            skops_trusted_types=trusted,
        )
    logits = np.log(fitted.predict_proba(rows[:4])).astype(np.float32)
    return rows[:4], logits, "skops"


@contextmanager
def ours(folder: Path, served: Served) -> Iterator[str]:
    """A service of two workers with the rules that are shipped."""
    told = folder / "told.json"
    told.write_bytes(canonical_json(served))
    environment = {**os.environ, "AUGMENT_OPS_HOME": str(folder / "var")}
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(told)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(60)


def serve(told: Path) -> None:
    """The service of `ours`."""

    class Fixed:
        served = from_json(Served, told.read_bytes())

        def changed(self) -> None:
            return None

        again = changed

    rules = ServingRules.load(HERE.parent / "policies" / "serving" / "default.yaml")
    offer = Offer(dataset=Fixed.served.dataset, rules=rules, host="127.0.0.1", port=0)
    supervisor = Supervisor(Settings.from_environment(), offer, Fixed(), lambda line: print(line, file=sys.stderr))
    supervisor.run(lambda address, _: print(address, flush=True))


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with as many bytes as a small model's answer has."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"300")]})
    await send({"type": "http.response.body", "body": b" " * 300})


@contextmanager
def empty() -> Iterator[str]:
    """`nothing` on the server that a service has, with as many workers."""
    port = 19_000 + os.getpid() % 1000
    command = [sys.executable, "-m", "uvicorn", "serving:nothing", "--app-dir", str(HERE), "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "critical", "--lifespan", "off",
         "--loop", "uvloop", "--http", "httptools"],
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.post(f"http://127.0.0.1:{port}/").raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def theirs(folder: Path, uri: str) -> Iterator[str]:
    """MLflow's server of the same model, with as many workers."""
    port = 18_000 + os.getpid() % 1000
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", uri, "-p", str(port)]
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--workers", "2"],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 180
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/ping").raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit((folder / "mlflow.log").read_text()[-3000:]) from None
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    main()
