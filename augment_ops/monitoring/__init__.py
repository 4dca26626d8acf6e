"""Drift of production data against the snapshot a model was trained on."""
