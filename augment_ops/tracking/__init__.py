"""MLflow as the record of what was run: runs, data sets, models, aliases. The only package that imports mlflow."""

from __future__ import annotations

from augment_ops.tracking.connection import connect
from augment_ops.tracking.tracker import MlflowTracker
from augment_ops.tracking.values import RegisteredVersion, TrackedRun

__all__ = ["MlflowTracker", "RegisteredVersion", "TrackedRun", "connect"]
