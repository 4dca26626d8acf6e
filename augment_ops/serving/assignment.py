"""Which requests are drawn, for a log or for a version: a function of their ids alone, so that all replicas agree."""

from __future__ import annotations

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key


def place_of(name: str, drawn_by: str) -> float:
    """Where a request or subject stands between 0 and 1, evenly; who is among a share is among any larger one.

    Args:
        drawn_by: what is drawn for, in place of a policy's digest in the key: two purposes draw independently.
    """
    keys = philox.derive(sample_key(drawn_by, 0, 0), SampleIds.of([name]).words)
    return float(philox.uniforms(keys, 0, philox.PARAMETERS, 1)[0, 0])
