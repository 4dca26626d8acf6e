"""The gate: evidence and rules in, a decision with reasons out. Pure; fails closed."""
