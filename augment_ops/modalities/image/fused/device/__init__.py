"""What runs on the GPU, or in Triton's interpreter: a kernel and the functions that it is made of."""
