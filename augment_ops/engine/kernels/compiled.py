"""How the loops are compiled.

`entry` is for what Python calls: kept on disk, with all that it calls. `inner` is for what only other loops call, which
need not be kept a second time: LLVM compiles it into each of them. `apart` is for what is too large for that: kept
on disk, and called by its address. Division by zero gives what IEEE 754 says, as in NumPy.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

entry = njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inner = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
apart = njit(cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def address_of(loop: Any, arguments: tuple[Any, ...]) -> int:
    """Where the machine code of a loop that is compiled `apart`, for arguments of these types, lies in this process."""
    loop.compile(arguments)
    found = loop.overloads[arguments]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def by_address(wanted: tuple[Any, ...]) -> Any:
    """What calls a loop that returns nothing, for arguments of these types: by its address, with a tuple of them."""

    @intrinsic
    def call(_context: Any, address: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            kind = context.call_conv.get_function_type(types.none, wanted)
            loop = builder.inttoptr(values[0], kind.as_pointer())
            given = [
                context.cast(builder, value, found, as_wanted)
                for value, found, as_wanted in zip(
                    cgutils.unpack_tuple(builder, values[1]), arguments, wanted, strict=True
                )
            ]
            status, _ = context.call_conv.call_function(builder, loop, types.none, wanted, given)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.none(address, arguments), generate

    return call
