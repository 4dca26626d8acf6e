"""Checks on real and on augmented data: measurements with a status, judged by thresholds in policies/quality/."""
