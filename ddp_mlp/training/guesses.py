"""The guesses of keys that a configuration leaves open, from the data."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config
from ddp_mlp.core.network import build_network
from ddp_mlp.errors import DdpMlpError, counted
from ddp_mlp.training.fitting import fit_preprocessing, normalizes_targets, preprocessing_from_json
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.inputs.parting import DEFAULT_VALID_FRACTION

#: Rows that are looked at for the kind of normalisation.
_SAMPLE = 10_000


def guess(config: Config) -> tuple[dict[str, str], str]:
    """Return the values that "auto" becomes, by ``SECTION.KEY``, and why they are unknown where data cannot be read.

    The kind of normalisation is that of the first rows.
    """
    guesses = {}
    if config.train.micro_batches == "auto":
        guesses["train.micro_batches"] = "8, or more where more workers start"
    try:
        with ExitStack() as stack:
            return guesses | _of_data(config, stack), ""
    except DdpMlpError as error:
        return guesses, f"what the data would make of it is not known: {error}"


def _of_data(config: Config, stack: ExitStack) -> dict[str, str]:
    data = config.data
    files, splits = open_splits(data, stack)
    schema = files[0].schema.autoencoding() if data.autoencode else files[0].schema
    network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    n_train = splits[0].n_samples
    first = np.arange(min(n_train, _SAMPLE))  # who validates is drawn by kernels, which are not compiled for this
    fitted = preprocessing_from_json(fit_preprocessing(config, schema, splits[0], first, SingleProcess())).features
    sample = f", by the first {_SAMPLE:,} rows" if n_train > _SAMPLE else ""
    own = f"{counted(splits[1].n_samples, 'row')} of the valid split" if len(splits) == 2 else ""
    found = {
        "data.weights": "an array of the data set" if splits[0].has_weights else "none",
        "data.task": schema.task,
        "data.missing": "impute" if splits[0].allows_missing else "error",
        "data.normalize": f"{fitted.kind}{sample}",
        "data.normalize_targets": "standard" if normalizes_targets(config, schema) else "none",
        "data.valid_fraction": own or f"{DEFAULT_VALID_FRACTION:g}",
        "loss.name": network.loss,
        "model.output": network.output,
    }
    is_open = {
        "data.weights": data.weights == "auto",
        "data.task": data.task == "auto",
        "data.missing": data.missing == "auto",
        "data.normalize": data.normalize == "auto",
        "data.normalize_targets": data.normalize_targets == "auto",
        "data.valid_fraction": data.valid_fraction is None and data.valid is None and data.folds is None,
        "loss.name": config.loss.name == "auto",
        "model.output": config.model.output == "auto",
    }
    return {key: value for key, value in found.items() if is_open[key]}
