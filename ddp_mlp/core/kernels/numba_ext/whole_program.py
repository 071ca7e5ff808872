"""Compiling some kernels and all that they call as one program, which LLVM optimises once.

Numba makes a program of every function by itself: with all that it calls linked in, optimised,
turned into machine code, and with wrappers for Python around it. Of a kernel that calls two
hundred others, most code is so optimised again at each level, and run at none but the last.

Programs call each other's functions by name, so they can be compiled by several processes at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import llvmlite.binding as llvm
from numba.core import ir, typing
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.funcdesc import ExternalFunctionDescriptor

from ddp_mlp.core.kernels.numba_ext.doors import door_to
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit
from ddp_mlp.core.kernels.numba_ext.memory import MEMORY


class Shared(NamedTuple):
    """A function that one program holds, and others call."""

    kernel: Any
    arguments: tuple[Any, ...]
    result: Any
    symbol: str


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
        for part in _called_by([self]):
            module.link_in(_inner(part._final_module), preserve=True)
        return module


def _inner(module: Any) -> Any:
    """Return a copy of a module whose functions may be inlined, and left out where nobody calls them."""
    copy = module.clone()
    for function in copy.functions:
        if not function.is_declaration and function.linkage == llvm.Linkage.external:
            function.linkage = "linkonce_odr"
    return copy


def _called_by(parts: Sequence[Any]) -> list[Any]:
    """Return all libraries below some, callers first: LLVM links in nothing that is not called yet."""
    found: dict[Any, None] = {}

    def visit(above: Any) -> None:
        for below in above._linking_libraries:
            if below not in found and isinstance(below, _Part):
                visit(below)
            found.setdefault(below)

    for library in parts:
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


@contextmanager
def _by_name(context: Any, shared: Sequence[Shared]) -> Iterator[None]:
    """Have kernels call shared functions by name, instead of compiling them."""
    declared = []
    for function in shared:
        way = _no_executable()
        call = typing.signature(function.result, *function.arguments)
        overload = SimpleNamespace(entry_point=way, signature=call, objectmode=False)
        declared.append((function.kernel, function.arguments, function.kernel.overloads.get(function.arguments)))
        descriptor = ExternalFunctionDescriptor(function.symbol, function.result, function.arguments)
        context.insert_user_function(way, descriptor)
        function.kernel.overloads[function.arguments] = overload
    try:
        yield
    finally:
        for kernel, arguments, before in declared:
            del kernel.overloads[arguments]
            if before is not None:
                kernel.overloads[arguments] = before


def compile_program(
    name: str, entries: Sequence[Shared], own: Sequence[Shared], shared: Sequence[Shared]
) -> tuple[bytes, tuple[str, ...]]:
    """Compile a program.

    Parameters
    ----------
    entries : sequence of Shared
        Kernels that Python calls.
    own, shared : sequence of Shared
        Functions of this program that others call, and those of all programs.

    Returns
    -------
    code : bytes
        An object file, which defines the symbols of `own`, and those of the doors to `entries`, see `doors`.
    outside : tuple of str
        Symbols of the C library that it uses.
    """
    with global_compiler_lock:
        context = entries[0].kernel.targetctx
        context.refresh()
        with _in_parts(context), _by_name(context, shared):
            compiled = [
                (function.symbol, _compiled(function.kernel, function.arguments)) for function in (*entries, *own)
            ]
        doors = [door_to(function.symbol, function.arguments) for function in entries]
        module = _whole(context.codegen(), name, compiled, doors)
        others = {function.symbol for function in shared}
        return context.codegen()._tm.emit_object(module), tuple(sorted(_declared(module) - others))


def _compiled(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    dispatcher = jit(kernel.py_func)  # another one: that of a shared function has it called by name
    dispatcher.compile(arguments)
    return dispatcher.overloads[arguments]


def _whole(codegen: Any, name: str, kernels: Sequence[tuple[str, Any]], doors: Sequence[str]) -> Any:
    """Return the optimised module of some kernels under their symbols, their doors, and everything that they call."""
    whole = codegen.create_library(name)
    for symbol, compiled in kernels:
        module = compiled.library._final_module.clone()
        module.get_function(compiled.fndesc.llvm_func_name).name = symbol
        whole._final_module.link_in(module)
    parts = [compiled.library for _, compiled in kernels]
    for library in dict.fromkeys([*whole._linking_libraries, *_called_by(parts)]):
        if library not in parts:
            module = _inner(library._final_module) if isinstance(library, _Part) else library._get_module_for_linking()
            whole._final_module.link_in(module, preserve=True)
    for text in (*doors, MEMORY):
        whole._final_module.link_in(llvm.parse_assembly(text))
    whole._optimize_final_module()
    whole._final_module.verify()
    return whole._final_module


def _declared(module: Any) -> set[str]:
    names = {function.name for function in module.functions if function.is_declaration}
    return {name for name in names if not name.startswith("llvm.")}
