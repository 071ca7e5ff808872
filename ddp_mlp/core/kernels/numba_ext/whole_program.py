"""Compiling a kernel and all that it calls as one program, which LLVM optimises once.

Numba makes a program of every function by itself: with all that it calls linked in, optimised,
turned into machine code, and with wrappers for Python around it. Of a kernel that calls two
hundred others, most code is so optimised again at each level, and run at none but the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import llvmlite.binding as llvm
from numba.core import ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit


class _Part(JITCodeLibrary):
    """The code of one function, as it was lowered; what it calls is linked in where the whole is made."""

    def finalize(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def _get_module_for_linking(self) -> Any:
        """Return the module with everything below it, for a caller that is compiled by Numba alone."""
        module = _inner(self._final_module)
        for part in _called_by(self):
            module.link_in(_inner(part._final_module), preserve=True)
        return module


def _inner(module: Any) -> Any:
    """Return a copy of a module whose functions may be inlined, and left out where nobody calls them."""
    copy = module.clone()
    for function in copy.functions:
        if not function.is_declaration and function.linkage == llvm.Linkage.external:
            function.linkage = "linkonce_odr"
    return copy


def _called_by(library: Any) -> list[Any]:
    """Return all libraries below one, callers first: LLVM links in nothing that is not called yet."""
    found: dict[Any, None] = {}

    def visit(above: Any) -> None:
        for below in above._linking_libraries:
            if below not in found and isinstance(below, _Part):
                visit(below)
            found.setdefault(below)

    visit(library)
    return list(reversed(found))


@contextmanager
def _in_parts(context: Any) -> Iterator[None]:
    """Have functions lowered and no more; between them Python calls nothing, so they need no wrappers."""
    codegen = context.codegen()
    with (
        patch.object(context, "create_cpython_wrapper", _none),
        patch.object(context, "create_cfunc_wrapper", _none),
        patch.object(context, "get_executable", _no_executable),
        patch.object(codegen, "_library_class", _Part),
        # A function that is inlined is copied block by block, and its scope, with all variables, with each of them.
        patch.object(ir.Scope, "__deepcopy__", lambda scope, _memo: scope, create=True),
    ):
        yield


def _none(*_: Any, **__: Any) -> None:
    pass


def _no_executable(*_: Any) -> Any:
    """Return a builtin of its own for each function, which Numba takes for the way to it from Python."""
    return object().__reduce__


def compile_whole(function: Callable[..., Any], types: tuple[Any, ...]) -> tuple[Any, ...]:
    """Compile a kernel for the types of its arguments, and return it in Numba's form for keeping it."""
    with global_compiler_lock:
        dispatcher = jit(function)
        context = dispatcher.targetctx
        context.refresh()
        with _in_parts(context):
            dispatcher.compile(types)
        return _whole(context, dispatcher.overloads[types])


def _whole(context: Any, compiled: Any) -> tuple[Any, ...]:
    """Link a kernel, its wrapper and everything that it calls; optimise that, and make machine code of it."""
    part = compiled.library
    whole = context.codegen().create_library(part.name)
    whole.enable_object_caching()
    whole._final_module.link_in(part._final_module, preserve=True)
    with context.push_code_library(whole):
        context.create_cpython_wrapper(whole, compiled.fndesc, compiled.environment, compiled.call_helper, True)
    for library in dict.fromkeys([*whole._linking_libraries, *_called_by(part)]):
        module = _inner(library._final_module) if isinstance(library, _Part) else library._get_module_for_linking()
        whole._final_module.link_in(module, preserve=True)
    whole._linking_libraries.clear()
    whole.finalize()
    reduced: tuple[Any, ...] = compiled._replace(library=whole)._reduce()
    return reduced
