"""Loading machine code into this process by LLVM, without Numba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm


def load_objects(objects: Sequence[bytes], outside: Sequence[str]) -> Any:
    """Link object files with each other and with the C library; return LLVM's engine, which holds them.

    Parameters
    ----------
    objects : sequence of bytes
    outside : sequence of str
        Symbols of the C library that they use.

    Raises
    ------
    OSError
        If the C library lacks one of them: LLVM would end the process.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.create_target_machine(jit=True))
    missing = [symbol for symbol in outside if not llvm.address_of_symbol(symbol)]
    if missing:
        raise OSError(f"the C library has no {', '.join(missing)}, which the compiled kernels need")
    for code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine
