"""Delivery of augmented batches: online (a loader) or offline (shards), with identical bytes."""
