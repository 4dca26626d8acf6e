"""`make demo` on a fresh state: from the command to the decision, and what of it is orchestration.

    python benchmarks/demo.py

Writes benchmarks/demo.json. Airflow and MLflow start on free ports with a state folder of their own and are ended
again. Orchestration is the time from trigger to end in which no stage was at work: scheduling, and a new process for
each task.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-c", "from augment_ops.cli import main; main()", "demo", "--json", "--no-wait"]


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        airflow, mlflow = (str(server.getsockname()[1]) for server in (one, two))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW_"))},
            "AUGMENT_OPS_HOME": home,
            "AUGMENT_OPS_AIRFLOW_PORT": airflow,
            "AUGMENT_OPS_MLFLOW_PORT": mlflow,
        }
        started = time.perf_counter()
        with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, env=environment, cwd=HERE.parent, text=True) as process:
            assert process.stdout is not None
            decision = json.loads(process.stdout.readline())
            decided_s = time.perf_counter() - started
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": load,
        "verdict": decision["verdict"],
        "promotion": decision["promotion"],
        "decision_s": round(decided_s, 1),
        "start_of_services_s": round(decided_s - decision["seconds"], 1),
        "run_s": decision["seconds"],
        "work_s": decision["work_seconds"],
        "orchestration_s": round(decision["seconds"] - decision["work_seconds"], 1),
    }
    (HERE / "demo.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
