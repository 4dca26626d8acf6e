"""A version that is served, of which no file is ever read."""

from __future__ import annotations

from augment_ops.serving.served import Served

STILL = Served(
    dataset="letters",
    environment="dev",
    version="1",
    decision="",
    artifact="",
    file="",
    model_format="pt2",
    probe="",
    probe_file="",
    modality="image",
    classes=tuple("abcdefghij"),
    shape=(8, 8, 1),
)
