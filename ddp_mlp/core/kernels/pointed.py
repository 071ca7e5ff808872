"""A named tuple of arrays that kernels see through one pointer, as ``self`` of an object.

Numba hands a tuple of arrays over by value: eight values of LLVM for each array, wherever it goes.
Behind a pointer, a field costs what is read of it. Python writes the table that is pointed to:
for each array what Numba's array structure holds and kernels need, its address, shape and strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model
from numba.np.arrayobj import populate_array

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.core.kernels.array_types import memory_type
from ddp_mlp.core.kernels.numba_ext.simd import INDEX, element


class Pointed(types.Type):
    """The type of such a pointer in kernels: the fields of a named tuple, for training in one dtype."""

    def __init__(self, tuple_type: Any, dtype: str) -> None:
        hints = get_type_hints(tuple_type, include_extras=True)
        self.fields = {name: memory_type(hint, dtype) for name, hint in hints.items()}
        types.Type.__init__(self, name=f"Pointed({tuple_type.__name__}, {dtype})")


@register_model(Pointed)
class _PointedModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        models.PrimitiveModel.__init__(self, dmm, fe_type, INDEX.as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = Pointed

    def generic_resolve(self, pointed: Pointed, name: str) -> Any:
        return pointed.fields.get(name)


def _places(dimensions: list[int]) -> Iterator[int]:
    """Yield where in the table each array begins."""
    at = 0
    for ndim in dimensions:
        yield at
        at += 1 + 2 * ndim


@lower_getattr_generic(Pointed)
def _field(context: Any, builder: Any, pointed: Pointed, table: Any, name: str) -> Any:
    kind = pointed.fields[name]
    place = dict(zip(pointed.fields, _places([field.ndim for field in pointed.fields.values()]), strict=True))[name]

    def word(index: int) -> Any:
        value = builder.load(builder.gep(table, [INDEX(place + index)]))
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    array = context.make_array(kind)(context, builder)
    populate_array(
        array,
        data=builder.inttoptr(word(0), array.data.type),
        shape=[word(1 + axis) for axis in range(kind.ndim)],
        strides=[word(1 + kind.ndim + axis) for axis in range(kind.ndim)],
        itemsize=context.get_abi_sizeof(context.get_data_type(kind.dtype)),
        meminfo=None,
    )
    return impl_ret_borrowed(context, builder, kind, array._getvalue())


def pointer_to(tuple_type: Any) -> Any:
    """Make a kernel that returns the pointer to a table of `tuple_type`; `example` is of the dtype of factors."""

    @intrinsic
    def pointer(typing_context, table, example):
        def codegen(context, builder, signature, arguments):
            return element(context, builder, signature, [arguments[0], INDEX(0)])

        dtype = next(name for name, each in DTYPES.items() if each.factors == str(example.dtype))
        return Pointed(tuple_type, dtype)(table, example), codegen

    return pointer
