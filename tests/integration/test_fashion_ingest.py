"""Fashion-MNIST's 70,000 PNG files, as they were published, within bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store

_ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(os.environ.get("AUGMENT_OPS_TEST_DATA") or _ROOT.parent / "shared" / "datasets")
_ARCHIVE = _DATA / "fashion-mnist-png" / "fashion_mnist_images.tar.gz"

_LIMIT_MB = 600  # 231 MB measured; reading it all at once would take more

_INGEST = """
import json, re, sys
from pathlib import Path
from augment_ops.data.ingest import ingest
from augment_ops.data.store import Store
manifest = ingest(sys.argv[1], Store(sys.argv[2]), name="fashion-mnist")
# Not ru_maxrss: that of a child begins with the memory of the process that started it.
status = Path("/proc/self/status")
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0
print(json.dumps([manifest.digest, peak_kb / 1024]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not _ARCHIVE.is_file(), reason=f"no {_ARCHIVE}: set AUGMENT_OPS_TEST_DATA")
def test_the_whole_of_fashion_mnist(tmp_path: Path) -> None:
    # A process of its own: the peak memory of this one belongs to other tests as well.
    command = [sys.executable, "-c", _INGEST, str(_ARCHIVE), str(tmp_path / "store")]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, cwd=_ROOT).stdout
    digest, megabytes = json.loads(output)
    assert digest == "0d5ccadcd77643e355cc98bfc3bd81f818817bc4a4f039e37f3e269c797fb9a8"
    assert megabytes < _LIMIT_MB
    manifest = Snapshot.open(Store(str(tmp_path / "store")), digest).manifest
    assert (manifest.image_shape, manifest.samples, manifest.defective) == ((28, 28, 1), 70_000, 0)
    assert manifest.classes == tuple("0123456789")
    per_class = {split: set(counts.values()) for split, counts in manifest.counts.items()}
    assert per_class["test"] == {1000}
    # Identical pictures with different labels exist in it, so classes may differ by a sample.
    assert all(abs(count - 600) <= 1 for count in per_class["validation"])
    assert sum(manifest.counts["train"].values()) + sum(manifest.counts["validation"].values()) == 60_000
