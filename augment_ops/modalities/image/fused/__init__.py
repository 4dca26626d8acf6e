"""A whole plan in one launch of a Triton kernel: the only importer of triton.

A program of the GPU takes one sample and runs its instructions, which are drawn on the CPU for a whole batch and go
over in one table (`instructions.py`). Instructions in a row that look at one pixel at a time share a pass over the
image, in registers (`device/kernel.py`). docs/adr/0034 says why.
"""
