"""Files of other programs that become models: weights of PyTorch, estimators of scikit-learn, and our own exports."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.errors import DataError, UsageError
from ddp_mlp.interop.format import library
from ddp_mlp.interop.formats.safetensors import state_of
from ddp_mlp.interop.formats.sklearn import TRUSTED
from ddp_mlp.interop.from_sklearn import incoming_of_estimator
from ddp_mlp.interop.incoming import Incoming, Naming, model_of, named_schema
from ddp_mlp.interop.portable import Affine, Layer, schema_of
from ddp_mlp.interop.stored import layers_of
from ddp_mlp.small_files import read_small

#: Larger than any network that this program trains.
_MOST_BYTES = 2**36
#: Of estimators: also the optimisers that a network of scikit-learn keeps.
_OPTIMIZERS = [f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer" for name in ("Adam", "SGD")]
_TRUSTED = [*TRUSTED, *_OPTIMIZERS]
SUFFIXES = (".safetensors", ".skops", ".npz")
_Pairs = Sequence[tuple[NDArray[Any], NDArray[Any]]]


def import_file(path: Path, naming: Naming, activation: str | None = None, output: str | None = None) -> Model:
    """Return the model in a file.

    Parameters
    ----------
    path : Path
        Weights of a `Sequential` as safetensors; an estimator as skops; an export of this program.
    naming : Naming
        Of weights that say nothing of themselves.
    activation, output : str, optional
        Of such weights: the activation of all hidden layers, and the unit after the last one.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is damaged, or no such file.
    UsageError
        If something must be said that is not, or this program has no such network.
    """
    content, suffix = read_small(path, _MOST_BYTES, "model file"), path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: which format is this? Known are *{', *'.join(SUFFIXES)}")
    try:
        if suffix == ".safetensors":
            pairs, about = state_of(content)
            if about.get("format") != "ddp-mlp-export":
                return _of_weights(pairs, naming, activation, output)
        _need_nothing_said(naming, activation, output)
        if suffix == ".skops":
            return model_of(incoming_of_estimator(_estimator(content)))
        return model_of(_of_export(*(_arrays(content) if suffix == ".npz" else state_of(content))))
    except (DataError, UsageError) as error:
        raise type(error)(f"{path}: {error}") from None


def _need_nothing_said(naming: Naming, activation: str | None, output: str | None) -> None:
    if activation or output or naming != Naming():
        raise UsageError("this file says all of itself; leave out activation, output, task and names")


def _of_weights(pairs: _Pairs, naming: Naming, activation: str | None, output: str | None) -> Model:
    """Return a model of weights that say nothing of themselves."""
    if len(pairs) > 1 and activation is None:
        raise UsageError("weights say nothing of the functions between them; give the activation of the hidden layers")
    if output is None and naming.task is None and naming.classes is None:
        raise UsageError("weights say nothing of what they answer; give the task: regression, binary or multiclass")
    names = [activation or ""] * (len(pairs) - 1) + ["identity"]
    layers = [Layer(weight, bias, name) for (weight, bias), name in zip(pairs, names, strict=True)]
    schema, unit = named_schema(naming, layers, output or "linear")
    return model_of(Incoming(schema, tuple(map(_with_default, layers)), unit))


def _with_default(layer: Layer) -> Layer:
    """Return a layer with the usual slope or alpha of its activation."""
    entry = ACTIVATIONS.get(layer.activation)
    if entry is None or entry.has_pieces:
        return layer
    return replace(layer, parameter=sum(float(str(key.default)) for key in entry.keys.values()))


def _of_export(pairs: _Pairs, about: Mapping[str, str]) -> Incoming:
    """Return the parts of an export of this program."""
    try:
        layers = layers_of(about, pairs)
        inputs, targets = (_affine(about[name]) for name in ("normalization", "target_normalization"))
        fill = json.loads(about["fill"])
        schema = schema_of(about["schema"])
        filled = None if fill is None else np.array(fill, np.float64)
        found = Incoming(schema, layers, about["output"], about["loss"], inputs, targets, filled)
        reasons = list(schema.contradictions())
    except (KeyError, ValueError, TypeError, ZeroDivisionError, msgspec.MsgspecError) as error:
        raise DataError(f"not what this program writes ({str(error)[:100]})") from None
    if reasons:
        raise DataError(f"not what this program writes ({reasons[0]})")
    return found


def _affine(text: str) -> Affine | None:
    raw = json.loads(text)
    return None if raw is None else Affine(np.array(raw["offset"], np.float64), np.array(raw["scale"], np.float64))


def _arrays(content: bytes) -> tuple[_Pairs, dict[str, str]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # of `zipfile`, `zlib` and NumPy
        raise DataError(f"no NPZ file that can be read ({str(error)[:100]})") from None
    about = {name.removeprefix("about_"): str(each) for name, each in arrays.items() if name.startswith("about_")}
    places = [k for k in range(len(arrays)) if f"weight{k}" in arrays and f"bias{k}" in arrays]
    pairs = [(arrays[f"weight{k}"], arrays[f"bias{k}"]) for k in places]
    is_sound = all(w.ndim == 2 and b.ndim == 1 and w.dtype.name in {"float32", "float64"} for w, b in pairs)
    if about.get("format") != "ddp-mlp-export" or not pairs or not is_sound:
        raise DataError("no export of this program")
    _need_agreement(arrays, about)
    return pairs, about


def _need_agreement(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """Refuse a file whose numbers stand in it twice and differ: NumPy users read the arrays, an import the texts."""
    try:
        told = {"fill": json.loads(about["fill"])}
        for name in ("normalization", "target_normalization"):
            affine = json.loads(about[name]) or {}
            told |= {f"{name}_{part}": affine.get(part) for part in ("offset", "scale")}
    except (KeyError, ValueError, AttributeError) as error:
        raise DataError(f"not what this program writes ({str(error)[:100]})") from None
    for name, numbers in told.items():
        held = arrays.get(name)
        if (None if held is None else held.tolist()) != numbers:
            raise DataError(f"the array {name} is not what about_{name.rsplit('_', 1)[0]} says; change both or none")


def _estimator(content: bytes) -> Any:
    """Return the estimator in a skops file, if it holds nothing but types that are known to be harmless."""
    skops = library("skops.io", "export")
    try:
        foreign = set(skops.get_untrusted_types(data=content)) - set(_TRUSTED)
        if not foreign:
            return skops.loads(content, trusted=_TRUSTED)
    except Exception as error:  # of a file that is none
        raise DataError(f"no skops file that can be read ({str(error)[:100]})") from None
    raise UsageError(f"holds types that may run code: {', '.join(sorted(map(str, foreign)))[:200]}; load it yourself, "
                     "and give the estimator to from_sklearn")  # fmt: skip
