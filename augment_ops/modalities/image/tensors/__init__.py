"""A plan on torch tensors, of any device and of float32 images too: the same parameters, the pixels by torch."""
