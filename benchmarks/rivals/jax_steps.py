"""Steps in JAX: one process on all cores, everything of a step in one jitted function.

python -m benchmarks.rivals.jax_steps S M

What is done to be fast, each tried on all works: the data and its order live in JAX; the
batch is gathered inside the jitted step, with indices promised to be in bounds; parameters
and moments are donated, so they are updated in place; the optimiser is written out, as
optax would trace it. Two forms are timed and the faster one counts: a call for each step,
and `lax.scan` over 16 steps in one call, which spares calls but, on CPUs, costs some copies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.rivals.timing import Form, Runner, choose, options_of, rows, since
from benchmarks.works import N_ROWS, WORKS, Work

RATE, MOMENTUM = 1e-3, 0.9
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
AT_ONCE = 16
#: Flops of a step above which a call is nothing beside it.
SCAN_BELOW = 2e9

Tree = Any


def initial(work: Work) -> Tree:
    """Return weights and biases of each layer."""
    rng = np.random.default_rng(0)
    pairs = zip(work.sizes, work.sizes[1:], strict=False)
    return [
        (jnp.asarray(rng.normal(0, (2 / i) ** 0.5, (i, o)), jnp.float32), jnp.zeros(o, jnp.float32)) for i, o in pairs
    ]


def loss(parameters: Tree, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of a batch."""
    for weight, bias in parameters[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = parameters[-1]
    log_p = jax.nn.log_softmax(x @ weight + bias)
    return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))


def momentum_update(parameters: Tree, state: Tree, gradient: Tree, step: jax.Array) -> tuple[Tree, Tree]:  # noqa: ARG001
    """SGD with momentum."""
    state = jax.tree.map(lambda v, g: MOMENTUM * v + g, state, gradient)
    return jax.tree.map(lambda p, v: p - RATE * v, parameters, state), state


def adam_update(parameters: Tree, state: Tree, gradient: Tree, step: jax.Array) -> tuple[Tree, Tree]:
    """Adam."""
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, state[0], gradient)
    second = jax.tree.map(lambda r, g: BETA2 * r + (1 - BETA2) * g * g, state[1], gradient)
    t = (step + 1).astype(jnp.float32)
    c1, c2 = 1 - BETA1**t, 1 - BETA2**t
    moved = jax.tree.map(lambda p, m, r: p - RATE * (m / c1) / (jnp.sqrt(r / c2) + EPS), parameters, first, second)
    return moved, (first, second)


def make_step(work: Work, update: Callable[..., tuple[Tree, Tree]]) -> Callable[..., tuple[Tree, Tree]]:
    """Return the whole step, not yet jitted."""
    b = work.global_batch_size
    n_batches = N_ROWS // b

    def step(parameters: Tree, state: Tree, x: Any, t: Any, order: Any, i: Any) -> tuple[Tree, Tree]:
        ids = lax.dynamic_slice(order, (i % n_batches * b,), (b,))
        batch = x.at[ids].get(mode="promise_in_bounds"), t.at[ids].get(mode="promise_in_bounds")
        return update(parameters, state, jax.grad(loss)(parameters, *batch), i)

    return step


def make_forms(work: Work, optimizer: str) -> dict[str, Form]:
    """Return what runs steps of a work, a call for each and many in a call."""
    x, t, order = (jnp.asarray(part) for part in rows(work))
    step = make_step(work, momentum_update if optimizer == "momentum" else adam_update)

    def scanned(parameters: Tree, state: Tree, x: Any, t: Any, order: Any, i: Any) -> tuple[Tree, Tree]:
        def body(carry: Any, k: Any) -> Any:
            return step(*carry, x, t, order, k), None

        return lax.scan(body, (parameters, state), i + jnp.arange(AT_ONCE))[0]

    def runner(function: Callable[..., tuple[Tree, Tree]], at_once: int) -> Runner:
        jitted = jax.jit(function, donate_argnums=(0, 1))
        parameters = initial(work)
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        held = [parameters, zeros if optimizer == "momentum" else (zeros, jax.tree.map(jnp.zeros_like, parameters))]

        def run(n: int) -> float:
            started = perf_counter()
            steps = range(0, n, at_once)
            for i in steps:
                held[:] = jitted(*held, x, t, order, i)
            jax.block_until_ready(held)
            return since(started, len(steps) * at_once)

        return run

    forms: dict[str, Form] = {"a call a step": lambda: runner(step, 1)}
    if work.flops < SCAN_BELOW:
        forms[f"scan over {AT_ONCE} steps"] = lambda: runner(scanned, AT_ONCE)
    return forms


def main() -> None:
    """Print one JSON object: work -> figures."""
    options = options_of(__doc__)
    result = {
        work: choose(make_forms(WORKS[work], options.optimizer), options.forms.get(work, "")) for work in options.works
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
