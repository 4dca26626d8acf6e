"""How the loops are compiled.

`entry` is for what Python calls: kept on disk, with all that it calls. `inner` is for what only other loops call, which
need not be kept a second time: LLVM compiles it again into each of them, and where it then finds no way to vectorise
it, an `entry` that loops call is optimised by itself first. `apart` is for what is too large for that:
kept on disk, and called by its address. Division by zero gives what IEEE 754 says, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import cpu_target
from numba.extending import intrinsic

# What the processor that is compiled for can do, by LLVM's names. Loops may differ by it: numba keeps those of each.
FEATURES = frozenset(
    name[1:] for name in cpu_target.target_context.codegen().magic_tuple()[2].split(",") if name.startswith("+")
)


class _Part(JITCodeLibrary):
    """Of a loop that is only linked into others, where LLVM optimises it, knowing what surrounds it.

    Optimised before as well, all takes a tenth longer to compile, and up to a third longer to run.
    """

    def _optimize_final_module(self) -> None:
        pass


class _PartsCompiler(Compiler):
    def __init__(self, typing: Any, target: Any, library: Any, *others: Any) -> None:
        super().__init__(typing, target, library or _Part(target.codegen(), "part"), *others)


entry = njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inner = njit(
    nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_PartsCompiler
)
_apart = njit(cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


class Apart:
    """A loop that other loops call by its address.

    Attributes:
        loop: numba's own; arguments: the types that it is compiled for.
        call: what loops call, `call(address, (argument, …))`, under a name of their module.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], returned: Any) -> None:
        self.loop, self.arguments = _apart(function), arguments
        self.call = _caller(arguments, returned)

    def address(self) -> int:
        """Where its machine code lies in this process; compiles it, or reads it from the cache."""
        self.loop.compile(self.arguments)
        found = self.loop.overloads[self.arguments]
        return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def apart(*arguments: Any, returned: Any = types.none) -> Callable[[Callable[..., Any]], Apart]:
    """Compile a function apart, for arguments of these types."""
    return lambda function: Apart(function, arguments, returned)


def _caller(wanted: tuple[Any, ...], returned: Any) -> Any:
    @intrinsic
    def call(_context: Any, address: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            kind = context.call_conv.get_function_type(returned, wanted)
            loop = builder.inttoptr(values[0], kind.as_pointer())
            parts = zip(cgutils.unpack_tuple(builder, values[1]), arguments, wanted, strict=True)
            given = [context.cast(builder, value, here, there) for value, here, there in parts]
            status, result = context.call_conv.call_function(builder, loop, returned, wanted, given)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return returned(address, arguments), generate

    return call
