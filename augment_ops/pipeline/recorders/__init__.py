"""Recorders: what is told of a stage's output, to MLflow, the ledger, later runs, metrics and traces."""
