"""Kubeflow Pipelines: the same stages, written as a pipeline of theirs, and what its tasks call."""
