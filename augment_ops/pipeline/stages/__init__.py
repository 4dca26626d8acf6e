"""The stages: each computes one output from what it declares, or acts."""
