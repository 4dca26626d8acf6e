"""Recorders: what is told of a stage's output, to metrics and traces."""
