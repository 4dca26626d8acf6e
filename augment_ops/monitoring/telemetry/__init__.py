"""Metrics, traces and alert messages: what a person's tools are told."""
