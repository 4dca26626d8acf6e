"""A service at a steady load for a long time: memory, descriptors, and whether the log has every answer.

    PYTHONPATH=tests python benchmarks/serving_soak.py 30       # minutes; writes benchmarks/serving_soak.json

The default network, untrained, on images of 28×28, two workers, the rules that are shipped: everything is logged, with
its samples. 50 requests a second are a fraction of what two cores answer, so that a busy machine does not change the
load. Ends with 1 where memory grew by more than its noise and 0.3%, descriptors by more than two, or an answer is not
in the log.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
from serving import in_bytes, model

from augment_ops.data.store import Store
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from support.service import rules, running
from support.soak import Asked, judged, logged, soaked

HERE = Path(__file__).parent
PER_S = 50.0
READINGS = 120
# Of 1.9 GiB in all 6 MiB, which 100 bytes a request would be in three quarters of half an hour.
GROWN_SHARE, GROWN_DESCRIPTORS = 0.003, 2.0


def main(minutes: float) -> int:
    """Measure, write and judge."""
    seconds = 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        served, _ = model(Path(folder), "28", for_mlflow=False)
        with running(home, served, rules(follow_s=1.0)) as service:
            load = in_bytes(service.address, served, np.zeros((1, *served.shape), np.uint8))
            asked = Asked(url=load.url, body=load.body, headers=load.headers)
            every_s = seconds / READINGS
            metrics = f"{service.address}metrics"
            found = soaked(service.process.pid, asked, metrics, seconds=seconds, per_s=PER_S, every_s=every_s)
            assert service.end() == 0
        store = str(home / "var/store")
        entries = logged(PredictionLog(f"{store}/predictions", served.dataset, Store(store)))
    found = judged(found, entries, grown_share=GROWN_SHARE, grown_descriptors=GROWN_DESCRIPTORS)
    found["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[1]}
    (HERE / "serving_soak.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({name: value for name, value in found.items() if name != "readings"}, indent=1))
    return 0 if found["flat_memory"] and found["flat_descriptors"] and found["nothing_lost"] else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
