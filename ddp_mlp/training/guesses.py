"""What a configuration leaves open, and what the data make of it."""

from __future__ import annotations

from ddp_mlp.checkpoint.model import Facts
from ddp_mlp.config import Config
from ddp_mlp.core.network import build_network
from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.normalization import fit_normalization
from ddp_mlp.errors import DdpMlpError

#: Rows that are looked at.
_SAMPLE = 10_000


def guess(config: Config) -> tuple[dict[str, str], str]:
    """Return what "auto" becomes, by ``SECTION.KEY``, and why that is not known where data cannot be read.

    The kind of normalisation is that of the first rows.
    """
    data = config.data
    guesses = (
        {"train.micro_batches": "8, or more where more workers start"} if config.train.micro_batches == "auto" else {}
    )
    try:
        with open_dataset(data.train, features=data.features, targets=data.targets) as file:
            facts = Facts.of(file, autoencode=data.autoencode)
            network = build_network(config.model, config.loss, facts.task, facts.n_features, facts.n_outputs)
            train = file.splits["train"]
            if data.normalize == "auto":
                rows = train.read(0, min(train.n_samples, _SAMPLE))
                fitted = fit_normalization("auto", [rows.features], train.feature_dtype, facts.n_features)
                guesses["data.normalize"] = fitted.kind
            if data.valid_fraction is None and data.valid is None and data.folds is None:
                own = "valid" in file.splits
                guesses["data.valid_fraction"] = "the valid split of the data" if own else "0.1"
    except DdpMlpError as error:
        return guesses, f"what the data would make of it is not known: {error}"
    if config.loss.name == "auto":
        guesses["loss.name"] = f"{network.loss}, since the task is {facts.task}"
    if config.model.output == "auto":
        guesses["model.output"] = network.output
    return guesses, ""
