"""How the loops are compiled.

`entry` is for what Python calls: kept on disk, with all that it calls. `inner` is for what only other loops call, which
need not be kept a second time. Division by zero gives what IEEE 754 says, as in NumPy.
"""

from numba import njit

entry = njit(cache=True, nogil=True, error_model="numpy")
inner = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
