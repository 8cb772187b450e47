"""A 512-bit vector as a value of numba: 16 float32 or 8 float64 that one instruction (or a few) works on.

Numba turns loops into vector code only sometimes; with a type for the vector, kernels say what they mean and the
intermediate values stay in registers. LLVM splits the vectors on machines with narrower ones.
"""

import operator
from collections.abc import Callable
from typing import Any, ClassVar

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

BYTES = 64


class Lanes(types.Type):
    """Type of a vector of `BYTES // itemsize` numbers."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.width = 8 * BYTES // dtype.bitwidth
        super().__init__(name=f"Lanes({self.width} {dtype})")


_LANES = {dtype: Lanes(dtype) for dtype in (types.float32, types.float64)}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        element = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.width))


def _operator(function: Callable[..., Any], instruction: str) -> None:
    @infer_global(function)
    class _Template(ConcreteTemplate):
        cases: ClassVar = [signature(lanes, lanes, lanes) for lanes in _LANES.values()]

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return getattr(builder, instruction)(*args, flags=("contract",))

    for lanes in _LANES.values():
        lower_builtin(function, lanes, lanes)(lower)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")


def _address(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: Any) -> ir.Value:
    data = context.make_array(array_type)(context, builder, array).data
    vector = context.get_value_type(_LANES[array_type.dtype])
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """The lanes that start at `array[index]` of a flat contiguous array."""

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load(_address(context, builder, sig.args[0], *args), align=array.dtype.bitwidth // 8)

    return _LANES[array.dtype](array, types.intp), generate


@intrinsic
def peek(typing_context: Any, array: Any, index: Any) -> Any:
    """`array[index]` of a flat contiguous array of integers, without the check for negative indices."""

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.sext(builder.load(builder.gep(data, [args[1]])), ir.IntType(64))

    return types.int64(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write lanes to `array[index:]`."""

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        address = _address(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def splat(typing_context: Any, array: Any, value: Any) -> Any:
    """A number in every lane, in the precision of `array`."""
    lanes = _LANES[array.dtype]

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        vector = context.get_value_type(lanes)
        nothing = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(nothing, args[1], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.width), [0] * lanes.width)
        return builder.shuffle_vector(first, nothing, everywhere)

    return lanes(array, array.dtype), generate


def swap(bit: int) -> tuple[Any, Any]:
    """Two functions of two vectors, numbered 0 and 1: each gives the vector of its number after that number has changed
    places with lane bit `bit`."""

    def half(number: int) -> Any:
        @intrinsic
        def shuffle(typing_context: Any, zero: Any, one: Any) -> Any:
            width = zero.width
            stride = (1 << bit) % width
            taken = [
                lane & ~stride | (number and stride) | (width if lane & stride else 0)
                for lane in range(width)
            ]

            def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
                return builder.shuffle_vector(*args, ir.Constant(ir.VectorType(ir.IntType(32), width), taken))

            return zero(zero, one), generate

        return shuffle

    return half(0), half(1)


@intrinsic
def parity(typing_context: Any, bits: Any) -> Any:
    """0 or 1: whether the number of ones in an int64 is odd."""

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.and_(builder.ctpop(args[0]), ir.Constant(ir.IntType(64), 1))

    return types.int64(types.int64), generate


@intrinsic
def width(typing_context: Any, array: Any) -> Any:
    """Lanes per vector in the precision of `array`."""

    def generate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return ir.Constant(ir.IntType(64), _LANES[array.dtype].width)

    return types.int64(array), generate
