"""The meaning of each key of the configuration, in one sentence: for the reference, editors and drafts."""

from __future__ import annotations

from collections.abc import Mapping

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.keys import Entry, keys_of
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.schedules import SCHEDULES

SECTIONS = {
    "data": "Where the samples come from, who validates, and how values are normalised.",
    "data.augment": "How far training samples are changed at random; 0 is not at all.",
    "model": "The network between the features and the output unit.",
    "loss": "The loss of the data, and the penalties on the weights.",
    "optimizer": "What updates the weights, its rate, and what else it takes.",
    "schedule": "How the learning rate goes on from that of the optimiser.",
    "train": "How long, how much at once, and from which seed.",
    "checkpoint": "How often to save and how many to keep.",
}

_OWN = {
    "data.train": "The data set: F.h5 or F.h5:/group, relative to the configuration file.",
    "data.valid": "Another data set that validates, in place of a part of the training rows.",
    "data.valid_fraction": "Part of the training rows that is set aside by seed to validate; without it the valid "
    "split of the data set, or a tenth of the rows.",
    "data.all_rows": "Train on all rows, also on those that would validate; none validates then.",
    "data.folds": "Parts into which the training rows are cut, one of which validates; see fold and cross-validate.",
    "data.fold": "The part that validates, counted from 0.",
    "data.stratify": "Deal the rows of each class out to all folds alike; cross-validate and search --folds do so "
    "unless this says otherwise.",
    "data.group_by": "A column, or the path of an array, of groups: rows of one never both train and validate, in "
    "folds and in a part that is set aside.",
    "data.time_by": "A column, or the path of an array, of times, or row for the order of the rows: the later ones "
    "validate, fold by fold, and only earlier ones train.",
    "data.features": "Paths of the arrays to learn from, for layouts that are not recognised.",
    "data.targets": "Paths of the arrays to predict, for layouts that are not recognised.",
    "data.weights": "Path of the array of sample weights, or none; auto takes one that is called so.",
    "data.task": "What the targets are; auto takes text and few whole numbers as classes.",
    "data.missing": "What a missing value of a feature becomes: the median or most frequent category of the training "
    "rows, or an error; auto is as the data set was imported.",
    "data.split_seed": "Chooses the rows that are set aside, and the folds, whatever the seed of training is.",
    "data.normalize": "How features are scaled, fitted on the training rows, kept in the model; auto by their values.",
    "data.normalize_targets": "How the targets of a regression are scaled; auto is standard, and none for classes and "
    "autoencode; metrics and answers stay in units of the data.",
    "data.autoencode": "Learn to answer the normalised features themselves.",
    "data.residency": "Where rows are while training: all in the memory of each node, or streamed from the file; auto "
    "streams more than 4 GiB of them, on every machine.",
    "data.augment.noise": "Standard deviation of noise that is added to each normalised feature.",
    "data.augment.shift": "Pixels by which images are moved at most, each way.",
    "data.augment.rotate_deg": "Degrees by which images are turned at most, each way.",
    "data.augment.scale": "Part by which images are made larger or smaller at most.",
    "data.augment.brightness": "What is added to all pixels of an image at most, each way, in normalised units.",
    "model.hidden": "Widths of the hidden layers; [] is linear, logistic or softmax regression.",
    "model.activation": "Of all hidden layers, or one for each.",
    "model.output": "The output unit; auto is the one that belongs to the loss.",
    "model.dropout": "Probability with which an input of a layer is dropped in training; one for all, or one for each, "
    "the features first.",
    "model.tied": "Let the decoder of an autoencoder be the transposed encoder.",
    "model.init": "Distribution of the first weights; auto chooses by activation.",
    "model.init_scale": "Standard deviation of normal, half width of uniform.",
    "model.start": "A model whose weights and preprocessing training goes on from, in place of first weights: its "
    "file, checkpoint or run directory, relative to the configuration file.",
    "model.start_sha256": "Hash of all that training takes from start; filled in when a run begins, and checked.",
    "loss.name": "The loss; auto is the one of the task.",
    "loss.class_weights": "Weight of each class in training, or balanced for the same weight of each class in all.",
    "loss.l1": "Factor of the sum of absolute weights.",
    "loss.l2": "Factor of half the sum of squared weights.",
    "loss.lq": "Factor of the sum of the weights to the power q.",
    "loss.q": "The power of lq.",
    "optimizer.name": "The optimiser; formulas are in optimizers.md.",
    "optimizer.learning_rate": "Length of a step, before the schedule; auto takes the one that suits the optimiser, "
    "see optimizers.md.",
    "schedule.name": "The schedule; formulas are in optimizers.md.",
    "schedule.warmup_steps": "Steps over which the rate rises from near 0, with each schedule.",
    "train.epochs": "Passes over the training rows.",
    "train.global_batch_size": "Samples of one step over all ranks together, or full for all of them.",
    "train.micro_batches": "Parts into which a global batch is always cut, a power of two: the bits are the same on up "
    "to so many workers; auto is 8, or more where the first start has more workers.",
    "train.seed": "Chooses first weights, order, dropout and augmentation.",
    "train.clip_norm": "Longest gradient; 0 is no limit.",
    "train.early_stopping_patience": "Epochs without a better loss after which training ends, with the weights of the "
    "best one; 0 is off; auto is 20, and 0 where the schedule has an end.",
    "train.target_loss": "Training loss at which training ends; 0 is off.",
    "train.log_layer_norms": "Write the gradient norm of each layer into metrics.csv.",
    "train.tensorboard": "Write events for TensorBoard into the run directory too; needs ddp-mlp[tensorboard].",
    "train.check_ranks_every": "Steps between two comparisons of the weights of all nodes; 0 is never.",
    "train.shard_optimizer": "Share the optimiser's work out between nodes; the bits are the same.",
    "train.overlap": "Let layers travel between nodes while others are computed; the bits are the same.",
    "train.on_nonfinite": "What happens at a gradient that is not finite: stop, or skip the update.",
    "train.isa": "Instructions to compute with: of this machine, or of a type that others have, for the same bits.",
    "train.dtype": "Numbers to compute with; in bfloat16 the products of a step are, and all else in float32, see "
    "bfloat16.md.",
    "train.timeout_s": "Seconds that a rank may be waited for; 0 is for ever.",
    "checkpoint.every_epochs": "Epochs between two checkpoints; 1 where no rule is given.",
    "checkpoint.every_steps": "Steps between two checkpoints.",
    "checkpoint.every_minutes": "Minutes between two checkpoints.",
    "checkpoint.keep": "Checkpoints that are kept, the newest.",
}

_FAMILIES: dict[str, Mapping[str, Entry]] = {
    "model": ACTIVATIONS, "loss": LOSSES, "optimizer": OPTIMIZERS, "schedule": SCHEDULES,
}  # fmt: skip

#: Of the keys of the schema, and of those that entries bring along.
MEANINGS = _OWN | {
    f"{section}.{name}": key.meaning
    for section, entries in _FAMILIES.items()
    for name, key in keys_of(entries.values()).items()
}
