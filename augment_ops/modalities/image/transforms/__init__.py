"""The compiled image transforms: parameters from the key in batches, pixels in fused loops."""
