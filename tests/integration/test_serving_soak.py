"""Under a steady load a service takes no more than it did, and its log has every answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.data.store import Store
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from support.service import images, made, rules, running
from support.soak import Asked, judged, logged, soaked, trend

# Bounds of three quarters of a minute on a busy machine; benchmarks/serving_soak.py has tighter ones, and longer.
SECONDS, PER_S = 45.0, 40.0
GROWN_SHARE, GROWN_DESCRIPTORS = 0.05, 6.0


@pytest.mark.slow
def test_memory_and_descriptors_stay_and_nothing_is_lost(tmp_path: Path) -> None:
    with running(tmp_path, made(tmp_path / "version", "1", 7), rules(follow_s=1.0)) as service:
        body = json.dumps({"samples": images(1).tolist()}).encode()
        asked = Asked(url=f"{service.address}predict", body=body, headers={"Content-Type": "application/json"})
        found = soaked(
            service.process.pid, asked, f"{service.address}metrics", seconds=SECONDS, per_s=PER_S, every_s=1.0
        )
        assert service.end() == 0
    store = str(tmp_path / "var/store")
    entries = logged(PredictionLog(f"{store}/predictions", "letters", Store(store)))
    found = judged(found, entries, grown_share=GROWN_SHARE, grown_descriptors=GROWN_DESCRIPTORS)
    assert found["answers"] > 0.5 * SECONDS * PER_S
    assert found["nothing_lost"], (found["answers"], entries, found["other_statuses"], found["lost"])
    assert found["flat_memory"], found["memory_mib"]
    assert found["flat_descriptors"], found["descriptors"]
    assert set(found["readings"][0]["rss_mib"]) == {"models", "supervisor", "workers"}


def test_a_leak_is_no_noise_and_noise_is_no_leak() -> None:
    """What is taken in the first quarter is not looked at: libraries are imported when they are first needed."""
    at_s = [float(second) for second in range(120)]
    level = [200.0] * 30 + [500.0 + second % 7 for second in range(90)]
    assert abs(trend(at_s, level)["growth"]) < trend(at_s, level)["noise"]
    leak = trend(at_s, [one + 0.3 * second for one, second in zip(level, at_s, strict=True)])
    assert leak["growth"] > max(leak["noise"], 0.05 * leak["level"])
    assert leak["per_h"] == pytest.approx(0.3 * 3600, rel=0.05)
