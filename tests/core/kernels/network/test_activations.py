"""Activations: closed forms, identities, and inputs far out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from ddp_mlp.catalog import arithmetic
from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.core.kernels.entries import of_entry
from ddp_mlp.core.kernels.network.codes import ACTIVATION_CODES
from ddp_mlp.core.kernels.network.layers import ACTIVATION
from ddp_mlp.core.kernels.numba_ext.intrinsics import in_loops
from tests import reference
from tests.building import ACTIVATION_PARAMS, engine_of, network_of, resident_of

#: As the kernels have them, compiled.
BY_NAME = {
    name: replace(entry, value=of_entry(entry.value), derivative=of_entry(entry.derivative))
    for name, entry in ACTIVATIONS.items()
}
logistic = of_entry(arithmetic.logistic)
KNOWN = [name for name in BY_NAME if name in reference.ACTIVATIONS]
DTYPES = [np.float32, np.float64]
NEAR = np.linspace(-8, 8, 401)


def setting(name: str, like: np.floating) -> np.floating:
    """Return the slope or alpha that the reference uses, in the type of another number."""
    return type(like)(ACTIVATION_PARAMS.get(name, 0.0))


#: Their loops call the C library for each value, or have nothing to compute.
WITHOUT_VECTORS = {"arctan", "softplus", "identity", "maxout"}
FAR = [-1e4, -800.0, -89.0, -1e-4, 0.0, 1e-4, 89.0, 800.0, 1e4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_value_and_derivative_are_those_of_the_reference(name: str, dtype: type) -> None:
    activation, (value, derivative) = BY_NAME[name], reference.ACTIVATIONS[name]
    for a in NEAR.astype(dtype):
        h = activation.value(a, setting(name, a))
        # Elementary functions are good to a few ulp; |g'| <= 1, so a rounded `h` costs g' no more than 2 |h| ulp.
        bound = 8 * np.finfo(dtype).eps * (1 + abs(float(a)))
        assert abs(float(h) - value(np.float64(a))) <= bound
        assert abs(float(activation.derivative(dtype(h), setting(name, a))) - derivative(np.float64(a))) <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BY_NAME)
def test_far_inputs_stay_finite(name: str, dtype: type) -> None:
    activation = BY_NAME[name]
    for a in np.array(FAR, dtype):
        h = activation.value(a, setting(name, a))
        assert math.isfinite(h), a
        assert math.isfinite(activation.derivative(dtype(h), setting(name, a))), a


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturation_is_exact(dtype: type) -> None:
    assert [logistic(dtype(a)) for a in (-1e4, 0.0, 1e4)] == [0.0, 0.5, 1.0]
    assert [BY_NAME["tanh"].value(dtype(a), dtype(0)) for a in (-1e4, 0.0, 1e4)] == [-1.0, 0.0, 1.0]
    assert [BY_NAME["relu"].value(dtype(a), dtype(0)) for a in (-1e4, 0.0, 1e4)] == [0.0, 0.0, 1e4]
    assert [BY_NAME["relu"].derivative(dtype(h), dtype(0)) for h in (0.0, 1e-30, 1e4)] == [0.0, 1.0, 1.0]


def test_tanh_is_a_stretched_sigmoid() -> None:
    for a in NEAR:
        # Where 2 sigmoid(2a) is near 2 or 0, subtracting 1 leaves the ulp of 2.
        assert BY_NAME["tanh"].value(a, 0.0) == pytest.approx(2 * logistic(2 * a) - 1, abs=4 * np.finfo(float).eps)


def test_sigmoid_grows_as_s_times_one_minus_s() -> None:
    sigmoid = BY_NAME["sigmoid"]
    for a in NEAR:
        s = sigmoid.value(a, setting("sigmoid", a))
        assert sigmoid.derivative(s, 0.0) == s * (1 - s)
        # Relative to 1, and 1 - s rounds at the ulp of 1.
        assert s + sigmoid.value(-a, setting("sigmoid", a)) == pytest.approx(1, abs=2 * np.finfo(float).eps)


@pytest.mark.parametrize("name", BY_NAME)
def test_nan_stays_visible(name: str) -> None:
    assert math.isnan(BY_NAME[name].value(math.nan, 0.5))


@pytest.mark.parametrize("name", BY_NAME)
def test_kernels_stay_in_single_precision(name: str) -> None:
    """A constant of float64 in a kernel would widen what follows, and halve its speed."""
    activation = BY_NAME[name]
    activation.value(np.float32(0.5), np.float32(0.1))
    activation.derivative(np.float32(0.5), np.float32(0.1))
    for kernel in (activation.value, activation.derivative):
        results = [str(overload.signature.return_type) for overload in kernel.overloads.values()]
        arguments = [str(overload.signature.args[0]) for overload in kernel.overloads.values()]
        assert dict(zip(arguments, results, strict=True))["float32"] == "float32"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(BY_NAME) - WITHOUT_VECTORS))
def test_loops_use_vectors(name: str, dtype: type) -> None:
    value, derivative = (
        of_entry(function, in_loops) for function in (ACTIVATIONS[name].value, ACTIVATIONS[name].derivative)
    )

    @njit(error_model="numpy")
    def compute(values, p):
        for i in range(values.shape[0]):
            values[i] = value(values[i], p) * derivative(values[i], p)

    compute(np.ones(4, dtype), dtype(0.5))
    (code,) = compute.inspect_llvm().values()
    assert f" x {'float' if dtype == np.float32 else 'double'}>" in code


def test_codes_are_places() -> None:
    """Activations of the same functions share a code: fewer to choose from in a loop."""
    functions = {}
    for name, entry in ACTIVATIONS.items():
        assert functions.setdefault(ACTIVATION_CODES[name], (entry.value, entry.derivative))[0] is entry.value
    assert sorted(functions) == list(range(len(functions)))
    assert ACTIVATION_CODES["maxout"] == ACTIVATION_CODES["identity"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_plain_functions_are_those_that_are_compiled(name: str, dtype: type) -> None:
    """Up to the last bits of elementary functions, which are Python's own there."""
    for a in map(dtype, (-2.5, -0.5, 0.0, 0.5, 2.5)):
        p = setting(name, a)
        plain, compiled = ACTIVATIONS[name].value(a, p), BY_NAME[name].value(a, p)
        assert float(plain) == pytest.approx(compiled, rel=float(8 * np.finfo(dtype).eps))
        slope = ACTIVATIONS[name].derivative(dtype(compiled), p)
        expected = BY_NAME[name].derivative(dtype(compiled), p)
        assert float(slope) == pytest.approx(expected, rel=float(64 * np.finfo(dtype).eps))


def test_unknown_code_is_refused() -> None:
    network = network_of((1, 1, 1))
    with engine_of(network, resident_of([[1.0]], [[1.0]]), np.ones(4)) as engine:
        engine._arena.layers[0, ACTIVATION] = 99
        with pytest.raises(RuntimeError, match="the kernel work has failed"):
            engine.run([(0, 1)], [(0.1,)])
