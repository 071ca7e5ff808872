"""Every key of the configuration, with its type, range and default.

Structs are frozen. A value that only some choices take, such as the momentum of an
optimiser, is None until `ddp_mlp.config.checks` has resolved it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

PositiveInt = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
ClosedFraction = Annotated[float, Meta(ge=0, lt=1)]

Normalize = Literal["auto", "none", "unit", "standard", "minmax"]
Activation = Literal["identity", "sigmoid", "tanh", "relu"]
Output = Literal["auto", "linear", "sigmoid", "softmax"]
Init = Literal["auto", "zeros", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform"]
LossName = Literal["auto", "mse", "binary_cross_entropy", "cross_entropy"]
OptimizerName = Literal["sgd", "momentum", "adam"]

#: The hyper-parameters that each optimiser takes beside the learning rate.
OPTIMIZER_DEFAULTS: dict[str, dict[str, float]] = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[data]``: where the samples come from and how they are normalised."""

    train: str
    valid: str | None = None
    valid_fraction: ClosedFraction | None = None
    folds: Annotated[int, Meta(ge=2)] | None = None
    fold: Count | None = None
    features: str | None = None
    targets: str | None = None
    normalize: Normalize = "auto"


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[model]``: the network between the features and the output unit."""

    hidden: list[PositiveInt] = field(default_factory=lambda: [128, 64])
    activation: Activation | list[Activation] = "relu"
    output: Output = "auto"
    init: Init = "auto"

    def hidden_activations(self) -> tuple[str, ...]:
        """Return the activation of every hidden layer."""
        if isinstance(self.activation, str):
            return (self.activation,) * len(self.hidden)
        return tuple(self.activation)


class LossConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[loss]``."""

    name: LossName = "auto"


class OptimizerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[optimizer]``: which one, its rate, and what else it takes."""

    name: OptimizerName = "sgd"
    learning_rate: PositiveFloat = 0.1
    momentum: ClosedFraction | None = None
    beta1: ClosedFraction | None = None
    beta2: ClosedFraction | None = None
    eps: PositiveFloat | None = None


class TrainConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[train]``: how long, how much at once, and from which seed."""

    epochs: PositiveInt = 10
    global_batch_size: PositiveInt | Literal["full"] = 128
    micro_batches: PositiveInt | Literal["auto"] = "auto"
    seed: Count = 0
    dtype: Literal["float32", "float64"] = "float32"


class CheckpointConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[checkpoint]``: how often to save and how many to keep."""

    every_epochs: PositiveInt = 1
    keep: PositiveInt = 3


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration of a run."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()


def sections() -> dict[str, type[Struct]]:
    """Return the struct of every section, by name, in the order of the file."""
    import msgspec

    return {item.name: item.type for item in msgspec.structs.fields(Config)}


def keys(section: type[Struct]) -> dict[str, Any]:
    """Return the type of every key of a section, by name."""
    import msgspec

    return {item.name: item.type for item in msgspec.structs.fields(section)}
