"""``python -m benchmarks inference [S M L]``: one row and many rows of a model, beside peers of the same weights.

Latency is the median over calls of one row, beside the matrix products of NumPy alone. Throughput is that of all rows
in one call, on all cores, in turns; given is the best of the rounds of each. An ensemble answers with its spread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import Watch, description
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

Answer = Callable[[Any], Any]


def trained(sizes: Sequence[int]) -> Any:
    """Return a model of such a network after one epoch on random rows; its features are normalised."""
    import ddp_mlp

    rng = np.random.default_rng(0)
    x, y = rng.random((2000, sizes[0]), np.float32), np.arange(2000) % sizes[-1]
    config = {"model": {"hidden": list(sizes[1:-1])}, "train": {"epochs": 1}}
    return ddp_mlp.train(config, data=(x, y)).model


#: Networks that answer together.
_MEMBERS = 5


def together(model: Any) -> Any:
    """Return an ensemble of networks of the same shape, whose weights differ by little."""
    import ddp_mlp
    from ddp_mlp.checkpoint.ensemble import Ensemble

    rng, first = np.random.default_rng(2), model.trained
    drawn = (first.parameters * rng.normal(1, 0.01, first.parameters.size) for _ in range(_MEMBERS))
    members = tuple(replace(first, parameters=each.astype(first.parameters.dtype)) for each in drawn)
    return ddp_mlp.Ensemble(Ensemble(Path("-"), tuple(map(str, range(_MEMBERS))), members))


def matrix_products(model: Any) -> Answer:
    weights = [weight for weight, _ in model.layers()]

    def multiply(x: Any) -> Any:
        for weight in weights:
            x = x @ weight
        return x

    return multiply


def peers(model: Any) -> Iterator[tuple[str, Answer]]:
    """Yield the peers that are installed, by name: each gives the probabilities of rows."""
    for name, make in (("ONNX Runtime", _onnx), ("PyTorch", _torch), ("scikit-learn", _sklearn)):
        try:
            yield name, make(model)
        except ImportError as error:
            print(f"left out: {name} ({error})")


def _onnx(model: Any) -> Answer:
    """Return the graph in float32 throughout, which is the fastest; that of `Model.export` takes float64."""
    import onnx
    import onnxruntime

    helper, layers, fitted = onnx.helper, model.layers(), model.trained.normalization
    arrays = {"offset": fitted.offset.astype(np.float32), "scale": fitted.scale.astype(np.float32)}
    nodes = [helper.make_node("Sub", ["x", "offset"], ["x0"]), helper.make_node("Mul", ["x0", "scale"], ["h0"])]
    for k, (weight, bias) in enumerate(layers):
        arrays |= {f"w{k}": weight, f"b{k}": bias}
        last = k == len(layers) - 1
        nodes.append(helper.make_node("Gemm", [f"h{k}", f"w{k}", f"b{k}"], [f"z{k}"]))
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{k}"], ["p" if last else f"h{k + 1}"]))
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, None]) for name in ("x", "p")]
    held = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def _torch(model: Any) -> Answer:
    import torch

    fitted = model.trained.normalization
    offset, scale = (torch.tensor(part, dtype=torch.float32) for part in (fitted.offset, fitted.scale))
    parts: list[Any] = []
    for weight, bias in model.layers():
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        parts += [linear, torch.nn.ReLU()]
    network = torch.nn.Sequential(*parts[:-1], torch.nn.Softmax(1))

    def answer(x: Any) -> Any:
        with torch.inference_mode():
            return network((torch.from_numpy(x) - offset) * scale).numpy()

    return answer


def _sklearn(model: Any) -> Answer:
    import warnings

    from sklearn.neural_network import MLPClassifier

    layers, fitted = model.layers(), model.trained.normalization
    rows = np.zeros((2 * len(layers[-1][1]), len(layers[0][0])), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPClassifier([len(bias) for _, bias in layers[:-1]], max_iter=1)
        net.fit(rows, np.arange(len(rows)) % len(layers[-1][1]))
    net.coefs_, net.intercepts_ = [weight for weight, _ in layers], [bias for _, bias in layers]
    offset, scale = fitted.offset.astype(np.float32), fitted.scale.astype(np.float32)
    return lambda x: net.predict_proba((x - offset) * scale)


def latency_us(answer: Answer, row: Any, calls: int = 2000) -> float:
    """Return the median time of a call, in microseconds."""
    times = []
    for _ in range(calls + 100):
        started = time.perf_counter()
        answer(row)
        times.append(time.perf_counter() - started)
    return float(np.median(times[100:])) * 1e6


def measure(work: str, n_rows: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return latency and throughput of the product and of each peer."""
    model = trained(WORKS[work].sizes)
    rows = np.random.default_rng(1).random((n_rows, WORKS[work].sizes[0]), np.float32)
    answers: dict[str, Answer] = {"ddp-mlp": model.predict_proba, **dict(peers(model))}
    wanted = model.predict_proba(rows[:500])
    assert all(np.allclose(answer(rows[:500]), wanted, atol=1e-5) for answer in answers.values())
    answers[f"ddp-mlp, mean and spread of {_MEMBERS}"] = together(model).predict_with_spread
    best = dict.fromkeys(answers, 0.0)
    for _ in range(rounds):
        for name, answer in answers.items():
            started = time.perf_counter()
            answer(rows)
            best[name] = max(best[name], n_rows / (time.perf_counter() - started))
    row = rows[:1].copy()
    found = {name: {"us": latency_us(answer, row), "rows_per_s": best[name]} for name, answer in answers.items()}
    return {"matrix products": {"us": latency_us(matrix_products(model), row)}, **found}


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks inference", description=__doc__)
    parser.add_argument("works", nargs="*", default=["S", "M", "L"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    watch, lines, figures = Watch(), [], {}
    for work in options.works:
        figures[work] = measure(work, options.rows, options.rounds)
        for name, each in figures[work].items():
            rate = f"{each['rows_per_s']:,.0f}" if "rows_per_s" in each else ""
            lines.append([work, name, f"{each['us']:.1f}", rate])
    head = ["work", "", "us for one row", f"rows/s of {options.rows:,}"]
    save("inference", "\n".join([description(), watch.verdict(), "", markdown(head, lines)]), figures)
