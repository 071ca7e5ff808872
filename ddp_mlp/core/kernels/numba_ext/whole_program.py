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
from numba.core.compiler import compile_result
from numba.core.compiler_lock import global_compiler_lock
from numba.core.funcdesc import ExternalFunctionDescriptor

from ddp_mlp.core.kernels.numba_ext.intrinsics import jit


class Shared(NamedTuple):
    """A function that one program holds, and others call."""

    kernel: Any
    arguments: tuple[Any, ...]
    result: Any
    symbol: str


class Program(NamedTuple):
    """The machine code of some kernels, in a form that can be kept."""

    library: tuple[Any, ...]
    environments: tuple[Any, ...]
    kernels: tuple[tuple[Any, ...], ...]  # name, descriptor, environment and signature of each that Python calls


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
    name: str, kernels: Sequence[tuple[Any, tuple[Any, ...]]], own: Sequence[Shared], shared: Sequence[Shared]
) -> Program:
    """Compile a program.

    Parameters
    ----------
    kernels : sequence of (dispatcher, tuple of types)
        Those that Python calls, and the types of their arguments.
    own, shared : sequence of Shared
        Functions of this program that others call, and those of all programs.
    """
    with global_compiler_lock:
        context = kernels[0][0].targetctx
        context.refresh()
        with _in_parts(context), _by_name(context, shared):
            for_python = [_compiled(kernel, arguments) for kernel, arguments in kernels]
            for_others = [(function.symbol, _compiled(function.kernel, function.arguments)) for function in own]
        return _whole(context, name, for_python, for_others)


def _compiled(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    dispatcher = jit(kernel.py_func)  # another one: that of a shared function has it called by name
    dispatcher.compile(arguments)
    return dispatcher.overloads[arguments]


def _whole(context: Any, name: str, for_python: Sequence[Any], for_others: Sequence[tuple[str, Any]]) -> Program:
    """Link kernels, their wrappers and everything that they call; optimise that, and make machine code of it."""
    codegen = context.codegen()
    whole = codegen.create_library(name)
    for compiled in for_python:
        whole._final_module.link_in(compiled.library._final_module, preserve=True)
        with context.push_code_library(whole):
            context.create_cpython_wrapper(whole, compiled.fndesc, compiled.environment, compiled.call_helper, True)
    for symbol, compiled in for_others:
        module = compiled.library._final_module.clone()
        module.get_function(compiled.fndesc.llvm_func_name).name = symbol
        whole._final_module.link_in(module)
    parts = [compiled.library for compiled in (*for_python, *(compiled for _, compiled in for_others))]
    for library in dict.fromkeys([*whole._linking_libraries, *_called_by(parts)]):
        if library not in parts:
            module = _inner(library._final_module) if isinstance(library, _Part) else library._get_module_for_linking()
            whole._final_module.link_in(module, preserve=True)
    whole._optimize_final_module()
    whole._final_module.verify()
    code = codegen._tm.emit_object(whole._final_module)
    found = (compiled.fndesc.llvm_cpython_wrapper_name for compiled in for_python)
    kept = [_kept(compiled) for compiled in for_python]
    environments = compile_result(library=whole, fndesc=None)._find_referenced_environments()
    return Program((name, "object", (code, _module_with(found))), tuple(environments), tuple(kept))


def _kept(compiled: Any) -> tuple[Any, ...]:
    descriptor = compiled.fndesc
    descriptor.typemap = descriptor.calltypes = None
    return descriptor.qualname.rpartition(".")[2], descriptor, compiled.environment, compiled.signature


def _module_with(symbols: Iterator[str]) -> bytes:
    """Return a module that defines nothing but `symbols`: Numba looks there for what is in machine code."""
    text = "\n".join(f'define void @"{symbol}"() {{ ret void }}' for symbol in symbols)
    code: bytes = llvm.parse_assembly(text).as_bitcode()
    return code


def load_program(context: Any, program: Program) -> Iterator[tuple[str, Any]]:
    """Load the machine code of a program, and yield the name of each kernel with its overload for a dispatcher."""
    library = context.codegen().unserialize_library(program.library)
    for environment in program.environments:
        library.codegen.set_env(environment.env_name, environment)
    for name, descriptor, environment, call in program.kernels:
        entry = context.get_executable(library, descriptor, environment)
        yield name, compile_result(
            target_context=context, typing_context=context.typing_context, library=library, environment=environment,
            entry_point=entry, fndesc=descriptor, signature=call, objectmode=False,
        )  # fmt: skip
