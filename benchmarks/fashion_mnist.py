"""The whole pipeline on all 70,000 images of Fashion-MNIST: accuracy, wall time by stage, peak memory.

    python benchmarks/fashion_mnist.py path/to/fashion_mnist_images.tar.gz

Writes benchmarks/fashion_mnist.json. Memory is the proportional set size (PSS) of the command and its loader workers
together, sampled twice a second: what the run would need on a machine of its own.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
COMMAND = ["run", "--policy", "fashion-robust", "--dataset-name", "fashion-mnist", "--run-id", "bench", "--json"]


def main(archive: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AUGMENT_OPS_HOME": home}
        augment_ops = Path(sys.executable).with_name("augment-ops")
        started = time.perf_counter()
        process = subprocess.Popen(
            [augment_ops, *COMMAND, "--dataset", archive], stdout=subprocess.PIPE, env=environment, text=True
        )
        peak_mb = _watch(process)
        wall_s = time.perf_counter() - started
        assert process.stdout is not None
        outcome = json.loads(process.stdout.read())
        report = json.loads((Path(home) / "reports" / "bench" / "report.json").read_text())
    candidate = report["candidate"] | report["candidate"]["delivery"]
    clean = {cell["role"]: cell["accuracy"] for cell in report["stress"]["cells"] if cell["corruption"] == "clean"}
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": os.getloadavg()[0],
        "wall_s": round(wall_s, 1),
        "peak_pss_mb": round(peak_mb),
        "verdict": outcome["verdict"],
        "summary": outcome["summary"],
        "clean_accuracy": clean,
        "stage_s": {name: round(value, 1) for name, value in report["measured"].items()},
        "candidate": {
            key: round(candidate[key], 3)
            for key in ("samples_per_s", "data_wait_share", "augment_p50_ms", "augment_p95_ms", "wall_s")
        },
        "epochs": len(report["candidate"]["curve"]),
    }
    (HERE / "fashion_mnist.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _watch(process: subprocess.Popen[str]) -> float:
    peak, root = 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        for member in [root, *root.children(recursive=True)]:
            try:
                total += member.memory_full_info().pss
            except psutil.Error:
                continue  # it ended between the listing and the look
        peak = max(peak, total / 1e6)
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    return peak


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
