"""Time and memory of `augment-ops augment` on 1,000,000 card transactions, as a user calls it.

    python benchmarks/batch_file.py [number of rows]

Needs the transactions of the fraud detection handbook (tests/support/fraud.py says where). There are 872,795 of April
to June 2018; further ones are those of April again under other ids. Writes benchmarks/batch_file.json. Memory is the
largest that the process had in all (ru_maxrss), libraries included.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.fraud import transactions  # noqa: E402 - found by the line above

COLUMNS = (
    "label=TX_FRAUD,subject=CUSTOMER_ID,time=TX_DATETIME,id=TRANSACTION_ID,ignore=TERMINAL_ID;TX_FRAUD_SCENARIO;SPLIT"
)
POLICY = """
name: amounts-jitter
version: 1.0.0
modality: tabular
domain: tabular
owner: payments
description: Amounts that vary a little.
budget: {p95_ms: 1.0, at: [13]}
transforms:
  - Jitter: {std_range: [0.02, 0.1], p: 1.0}
"""


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "payments.parquet", Path(folder) / "more.parquet"
        policy = Path(folder) / "amounts-jitter.yaml"
        policy.write_text(POLICY)
        columns = written(rows, given)
        words = ["augment", "--input", str(given), "--policy", str(policy), "--columns", COLUMNS, "--output", str(made)]
        environment = {**os.environ, "AUGMENT_OPS_HOME": f"{folder}/home"}
        started = time.perf_counter()
        subprocess.run([Path(sys.executable).with_name("augment-ops"), *words, "-q"], check=True, env=environment)
        wall_s = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        megabytes = {"input_mb": given.stat().st_size / 1e6, "output_mb": made.stat().st_size / 1e6}
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "rows": rows,
        "columns": columns,
        "factor": 2,
        "wall_s": round(wall_s, 1),
        "processor_s": round(used.ru_utime + used.ru_stime, 1),
        "rows_written_a_second": round(2 * rows / wall_s),
        "peak_mb": round(used.ru_maxrss / 1024),
        **{name: round(size) for name, size in megabytes.items()},
    }
    (HERE / "batch_file.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


def written(rows: int, path: Path) -> int:
    """The table as a file; how many columns it has."""
    table = transactions(every=1)
    more = table.iloc[: max(0, rows - len(table))]
    again = more.assign(TRANSACTION_ID=more["TRANSACTION_ID"] + "-again")
    whole = pd.concat([table, again], ignore_index=True).iloc[:rows]
    whole.to_parquet(path)
    return whole.shape[1]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
