"""The importance of features: by how much the loss rises when the values of one are shuffled among the rows.

Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.comm import SingleProcess
from ddp_mlp.data.normalization import normalize
from ddp_mlp.data.resident import Resident
from ddp_mlp.data.schema import Schema
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.report.findings.samples import Sample

Numbers = NDArray[np.float64]

#: Rows, shuffles of a feature, features (or groups of them), patches along one side of an image; and seconds for all.
_MOST_ROWS, _SHUFFLES, _MOST_GROUPS, _PATCHES = 1000, 3, 64, 7
WITHIN_S = 1.0


@dataclass(frozen=True, eq=False)
class Importance:
    """The rise of the loss by the feature that is shuffled.

    Attributes
    ----------
    names : tuple of str
    rise : ndarray of float64, shape (n, shuffles)
    n_rows : int
        Rows that were shuffled.
    where : str
        Their purpose.
    n_left_out : int
        Features that were not measured: those that weigh least in the first layer.
    grid : tuple of int or None
        Rows and columns of patches, where the features are the pixels of an image.
    """

    names: tuple[str, ...]
    rise: Numbers
    n_rows: int
    where: str
    n_left_out: int
    grid: tuple[int, int] | None


@dataclass(frozen=True)
class _Group:
    name: str
    columns: tuple[int, ...]


def importance_of(model: Model, sample: Sample, within_s: float = WITHIN_S) -> Importance:
    """Measure features in the order of their weight in the first layer, for as long as there is time.

    Parameters
    ----------
    model : Model
    sample : Sample
        Rows with targets; features that come from one column of a table are shuffled together, and so are the
        pixels of a patch of an image.
    within_s : float
        Seconds.
    """
    started = monotonic()
    dtype = model.parameters.dtype
    features = normalize(model.normalization, sample.features[:_MOST_ROWS], dtype)
    groups, grid = _groups(model.schema)
    chosen = groups if grid else _heaviest(model, features, groups)
    evaluator, ids = _evaluator(model, features, sample.targets[:_MOST_ROWS]), np.arange(len(features))
    before = evaluator.evaluate(model.parameters, ids)["loss"]
    rng = np.random.default_rng(0)
    rises: list[list[float]] = []
    for group in chosen:
        if rises and monotonic() - started > within_s:
            break
        columns = list(group.columns)
        kept = features[:, columns].copy()
        losses = []
        for _ in range(_SHUFFLES):
            features[:, columns] = kept[rng.permutation(len(kept))]
            losses.append(evaluator.evaluate(model.parameters, ids)["loss"] - before)
        features[:, columns] = kept
        rises.append(losses)
    if len(rises) < len(chosen):
        grid = None
    names = tuple(group.name for group in chosen[: len(rises)])
    return Importance(names, np.array(rises), len(features), sample.name, len(groups) - len(rises), grid)


def _evaluator(model: Model, features: NDArray[np.floating], targets: Numbers) -> Evaluator:
    """Return an evaluator that reads these very features, so that a change of them is seen by its next call."""
    dtype, n_features = features.dtype, features.shape[1]
    if model.config.data.autoencode:
        known = features.copy()
    elif model.target_normalization is not None:
        known = normalize(model.target_normalization, targets, dtype)
    else:
        known = targets.astype(dtype)
    resident = Resident(
        features.view(np.uint8), 0, np.zeros(n_features, dtype), np.ones(n_features, dtype), known, (0, len(features))
    )
    return Evaluator(
        model.network, model.schema.task, resident, SingleProcess(), 1, target_normalization=model.target_normalization
    )


def _groups(schema: Schema) -> tuple[list[_Group], tuple[int, int] | None]:
    """Return the features that are shuffled together, and the shape of a grid of patches."""
    if schema.image_shape is not None and schema.n_features > _MOST_GROUPS:
        return _patches(schema.image_shape)
    names = schema.feature_names or tuple(f"feature {i}" for i in range(schema.n_features))
    places = {name: i for i, name in enumerate(names)}
    made = [(c.name, tuple(places[f] for f in c.features if f in places)) for c in schema.columns]
    groups = [_Group(name, columns) for name, columns in made if columns]
    taken = {i for group in groups for i in group.columns}
    return groups + [_Group(name, (i,)) for name, i in places.items() if i not in taken], None


def _patches(shape: tuple[int, ...]) -> tuple[list[_Group], tuple[int, int]]:
    place = np.arange(int(np.prod(shape))).reshape(*shape[:2], -1)
    rows, columns = (np.array_split(np.arange(n), min(n, _PATCHES)) for n in shape[:2])
    groups = [
        _Group(f"rows {r[0]}-{r[-1]}, columns {c[0]}-{c[-1]}", tuple(place[np.ix_(r, c)].ravel().tolist()))
        for r in rows
        for c in columns
    ]
    return groups, (len(rows), len(columns))


def _heaviest(model: Model, features: NDArray[np.floating], groups: list[_Group]) -> list[_Group]:
    """Return the groups that weigh most in the first layer, the heaviest first."""
    weights = model.network.layout.weight(0).view(model.parameters).astype(np.float64)
    weight = np.sqrt(np.square(weights).sum(axis=1)) * features.std(axis=0, dtype=np.float64)
    order = sorted(groups, key=lambda group: -float(np.sqrt(np.square(weight[list(group.columns)]).sum())))
    return order[:_MOST_GROUPS]


def ordered(found: Importance) -> Iterator[tuple[str, float, float]]:
    """Yield name, mean and sample standard deviation of the rise of the loss, the highest first."""
    mean, spread = found.rise.mean(axis=1), found.rise.std(axis=1, ddof=1)
    for i in np.argsort(-mean, kind="stable"):
        yield found.names[i], float(mean[i]), float(spread[i])
