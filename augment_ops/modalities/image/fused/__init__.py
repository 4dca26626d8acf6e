"""A whole plan in two launches of Triton kernels: the only importer of triton.

The first draws what each sample gets, from its key, as instructions in one table (`drawing.py`, `device/draw.py`);
where a plan has something that a GPU cannot draw alike, the CPU makes that table (`instructions.py`). In the second a
program of the GPU takes one sample and runs its instructions; those in a row that look at one pixel at a time share a
pass over the image, in registers (`device/kernel.py`). docs/adr/0034 says why.
"""
