"""Made data sets: small problems with known answers, of any size, from a seed.

Each block of rows has a generator of its own, seeded by (seed, split, block), so a data set
is the beginning of any larger one with the same seed, and nothing larger than a block is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import Rows, Task, n_outputs
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.source import BLOCK_ROWS, Source
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    #: (rng, number of the first row, number of rows, seed) -> features (n, F), targets (n, T)
    Draw = Callable[[np.random.Generator, int, int, int], tuple[Floats, Floats]]

_SPLIT_NUMBERS = {"train": 0, "test": 1}
_TEACHER_STREAM = 2
_SPIRAL_ARMS = 3
_TEACHER_SHAPE = (16, 32, 4)
_CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@dataclass(frozen=True)
class Recipe:
    """One kind of made data.

    Attributes
    ----------
    summary : str
        What it is, for help and for the file.
    task : str
        Task of the data.
    feature_names, target_names : tuple of str
        Names of the columns.
    draw : callable
        Makes a block of rows.
    n_classes : int or None
        For labels.
    n_train, n_test : int
        Rows unless another number is asked for.
    """

    summary: str
    task: Task
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    draw: Draw
    n_classes: int | None = None
    n_train: int = 1000
    n_test: int = 250


def _xor(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Take the four corners in turn; the label is 1 where the two coordinates differ."""
    del rng, seed
    points = _CORNERS[(first + np.arange(n)) % 4]
    return points, (points[:, :1] != points[:, 1:]).astype(np.float64)


def _noisy_xor(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Blur the corners of `_xor` by normal noise of standard deviation 0.2."""
    points, labels = _xor(rng, first, n, seed)
    return points + rng.normal(0.0, 0.2, points.shape), labels


def _moons(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draw two half circles that reach into each other, with noise of standard deviation 0.1."""
    del seed
    labels = (first + np.arange(n)) % 2
    angle = rng.uniform(0.0, np.pi, n)
    x = np.where(labels == 0, np.cos(angle), 1.0 - np.cos(angle))
    y = np.where(labels == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.column_stack([x, y]) + rng.normal(0.0, 0.1, (n, 2)), labels[:, None].astype(np.float64)


def _spirals(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draw three arms that wind once around the centre, with noise of standard deviation 0.02."""
    del seed
    labels = (first + np.arange(n)) % _SPIRAL_ARMS
    radius = rng.uniform(0.1, 1.0, n)
    angle = 2.0 * np.pi * (radius + labels / _SPIRAL_ARMS)
    points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return points + rng.normal(0.0, 0.02, (n, 2)), labels[:, None].astype(np.float64)


def _sine(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Draw ``y = sin(x)`` for x uniform in [-pi, pi], without noise."""
    del first, seed
    x = rng.uniform(-np.pi, np.pi, (n, 1))
    return x, np.sin(x)


def _teacher(rng: np.random.Generator, first: int, n: int, seed: int) -> tuple[Floats, Floats]:
    """Compute a random tanh network 16-32-4 on standard normal inputs, without noise."""
    del first
    n_in, n_hidden, n_out = _TEACHER_SHAPE
    weights = np.random.default_rng([seed, _TEACHER_STREAM])
    w1 = weights.normal(0.0, n_in**-0.5, (n_in, n_hidden))
    w2 = weights.normal(0.0, n_hidden**-0.5, (n_hidden, n_out))
    x = rng.normal(0.0, 1.0, (n, n_in))
    return x, np.tanh(x @ w1) @ w2


_XY = ("x", "y")

RECIPES: Mapping[str, Recipe] = {
    "xor": Recipe("the four points of exclusive or", "binary", ("a", "b"), ("xor",), _xor, 2, 4, 4),
    "noisy-xor": Recipe(
        "exclusive or, its points blurred by noise 0.2", "binary", ("a", "b"), ("xor",), _noisy_xor, 2
    ),
    "moons": Recipe("two half circles that reach into each other", "binary", _XY, ("moon",), _moons, 2),
    "spirals": Recipe("three arms of a spiral", "multiclass", _XY, ("arm",), _spirals, _SPIRAL_ARMS),
    "sine": Recipe("sin(x) on [-pi, pi]", "regression", ("x",), ("sin(x)",), _sine),
    "teacher": Recipe(
        "outputs of a random tanh network 16-32-4", "regression",
        tuple(f"x{i}" for i in range(_TEACHER_SHAPE[0])), tuple(f"y{i}" for i in range(_TEACHER_SHAPE[2])),
        _teacher, None, 10_000, 2_500,
    ),
}  # fmt: skip


def make_synthetic(name: str, samples: int | None, seed: int) -> Source:
    """Make the data set of one recipe.

    Parameters
    ----------
    name : str
        A key of `RECIPES`.
    samples : int or None
        Rows of the training split; the test split has a quarter of them, at least one,
        except that ``xor`` is always tested on its four points.
    seed : int
        Not negative; the same seed gives the same rows.

    Raises
    ------
    UsageError
        For an unknown name, and for numbers out of range.
    """
    if name not in RECIPES:
        raise UsageError(f"no data set named {name!r} to make; choose from {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    if samples is not None and samples < 1:
        raise UsageError(f"--samples {samples}; at least 1 is needed")
    if seed < 0:
        raise UsageError(f"--seed {seed}; 0 or more is needed")
    sizes = {"train": recipe.n_train, "test": recipe.n_test}
    if samples is not None:
        sizes = {"train": samples, "test": recipe.n_test if name == "xor" else max(1, samples // 4)}
    schema = Schema(
        task=recipe.task,
        n_features=len(recipe.feature_names),
        n_outputs=n_outputs(recipe.task, len(recipe.target_names), recipe.n_classes),
        feature_names=recipe.feature_names,
        target_names=recipe.target_names,
        numbers="float",
    )
    return Source(schema, sizes, f"made: {name}, seed {seed} ({recipe.summary})", lambda: _blocks(recipe, sizes, seed))


def _blocks(recipe: Recipe, sizes: Mapping[str, int], seed: int) -> Iterator[tuple[str, Rows]]:
    for split, n_samples in sizes.items():
        for block, first in enumerate(range(0, n_samples, BLOCK_ROWS)):
            rng = np.random.default_rng([seed, _SPLIT_NUMBERS[split], block])
            # A full block is drawn and cut, so that fewer samples are the first of more.
            features, targets = recipe.draw(rng, first, BLOCK_ROWS, seed)
            n = min(BLOCK_ROWS, n_samples - first)
            yield split, Rows(features[:n], targets[:n])
