"""Drift: the prediction log, the detectors, and the judgement of a window."""
