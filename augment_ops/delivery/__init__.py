"""Delivery of augmented batches: online (a loader), nearline (a cache) or offline (shards), with identical bytes."""
