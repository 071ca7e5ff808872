"""Every key of the configuration, with its type, range and default.

Structs are frozen. The names of activations, losses, optimisers and schedules, and the keys that they
bring along, come from `ddp_mlp.catalog`. A key that only some choices take, such as the momentum of
an optimiser, is None until `ddp_mlp.config.checks` has resolved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Meta, Struct, field

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.keys import (
    LEAST,
    ClosedFraction,
    Count,
    Entry,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StepCount,
    Steps,
    keys_of,
)
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.outputs import OUTPUTS
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config.struct_fields import fields_of

MOST_MICRO_BATCHES = 2**16  # the plan of a step lists them; more would be of no use to any cluster
MOST_TRIALS = 10**5  # of a search, and folds of a cross-validation
#: Deeper networks than this are not trained without connections that skip layers.
_MOST_LAYERS = 1000

Width = Annotated[int, Meta(ge=1, le=10**7)]
#: Draws the rows that validate, whatever the seed of training is, so that all seeds sit one exam.
DEFAULT_SPLIT_SEED = 0
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Timeout = Annotated[float, Meta(ge=0, le=1e7, extra={LEAST: 0.1})]  # seconds, 0 for ever; looked at ten times in one
FilePath = Annotated[str, Meta(min_length=1, max_length=4095)]  # the longest path that Linux opens
ArrayPaths = Annotated[str, Meta(min_length=1, max_length=2**16)]
Normalize = Literal["auto", "none", "unit", "standard", "minmax"]
Init = Literal["auto", "zeros", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "normal", "uniform"]
if TYPE_CHECKING:
    Activation: TypeAlias = str
    Output: TypeAlias = str
    LossName: TypeAlias = str
    OptimizerName: TypeAlias = str
    ScheduleName: TypeAlias = str
else:
    Activation = Literal[tuple(ACTIVATIONS)]
    Output = Literal["auto", *OUTPUTS]
    LossName = Literal["auto", *LOSSES]
    OptimizerName = Literal[tuple(OPTIMIZERS)]
    ScheduleName = Literal[tuple(SCHEDULES)]

_Section = TypeVar("_Section", bound=Struct)


def _with_keys_of(entries: Iterable[Entry], *, one_applies: bool) -> Callable[[type[_Section]], type[_Section]]:
    """Let the keys of entries join those of a section.

    Where just `one_applies`, those of the others are None; else all are there, with their defaults.
    """

    def extended(section: type[_Section]) -> type[_Section]:
        fields = [
            (name, key.kind | None, None) if one_applies else (name, key.kind, key.default)
            for name, key in keys_of(entries).items()
        ]
        joined = msgspec.defstruct(
            section.__name__, fields, bases=(section,), module=__name__, frozen=True, forbid_unknown_fields=True
        )
        return cast(type[_Section], joined)

    return extended


class AugmentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[data.augment]``: how far training samples are changed at random; 0 is not at all."""

    noise: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    shift: Annotated[float, Meta(ge=0, le=1e5)] = 0.0
    rotate_deg: Annotated[float, Meta(ge=0, le=180)] = 0.0
    scale: ClosedFraction = 0.0
    brightness: Annotated[float, Meta(ge=0, le=1e6)] = 0.0

    @property
    def transforms_images(self) -> bool:
        """Whether anything here needs features that are images."""
        return max(self.shift, self.rotate_deg, self.scale, self.brightness) > 0


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[data]``: where the samples come from and how they are normalised."""

    train: FilePath
    valid: FilePath | None = None
    valid_fraction: ClosedFraction | None = None
    all_rows: bool = False
    folds: Annotated[int, Meta(ge=2, le=MOST_TRIALS)] | None = None
    fold: Count | None = None
    stratify: bool = False
    group_by: FilePath | None = None  # a column, or the path of an array
    time_by: FilePath | None = None
    features: ArrayPaths | None = None
    targets: ArrayPaths | None = None
    weights: ArrayPaths = "auto"
    task: Literal["auto", "regression", "binary", "multiclass"] = "auto"
    missing: Literal["auto", "impute", "error"] = "auto"
    split_seed: Seed = DEFAULT_SPLIT_SEED
    normalize: Normalize = "auto"
    normalize_targets: Literal["auto", "none", "standard"] = "auto"
    autoencode: bool = False
    residency: Literal["auto", "node", "stream"] = "auto"
    augment: AugmentConfig = AugmentConfig()


@_with_keys_of(ACTIVATIONS.values(), one_applies=False)
class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[model]``: the network between the features and the output unit."""

    hidden: Annotated[list[Width], Meta(max_length=_MOST_LAYERS)] = field(default_factory=lambda: [128, 64])
    activation: Activation | Annotated[list[Activation], Meta(max_length=_MOST_LAYERS)] = "relu"
    output: Output = "auto"
    dropout: ClosedFraction | Annotated[list[ClosedFraction], Meta(max_length=_MOST_LAYERS + 1)] = 0.0
    tied: bool = False
    init: Init = "auto"
    init_scale: PositiveFloat = 0.05
    start: FilePath | None = None
    start_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None

    def hidden_activations(self) -> tuple[str, ...]:
        """Return the activation of every hidden layer."""
        if isinstance(self.activation, str):
            return (self.activation,) * len(self.hidden)
        return tuple(self.activation)

    def dropout_rates(self) -> tuple[float, ...]:
        """Return the probability with which an input of every layer is dropped."""
        if isinstance(self.dropout, float | int):
            return (float(self.dropout),) * (len(self.hidden) + 1)
        return tuple(self.dropout)


@_with_keys_of(LOSSES.values(), one_applies=False)
class LossConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[loss]``: of the data, and the penalties on the weights."""

    name: LossName = "auto"
    class_weights: Annotated[list[NonNegativeFloat], Meta(max_length=10**6)] | Literal["balanced"] | None = None
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    lq: NonNegativeFloat = 0.0
    q: Annotated[float, Meta(ge=1, le=100)] | None = None


@_with_keys_of(OPTIMIZERS.values(), one_applies=True)
class OptimizerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[optimizer]``: name and first rate; the other keys are those of `ddp_mlp.catalog.optimizers`."""

    name: OptimizerName = "adam"
    learning_rate: PositiveFloat | Literal["auto"] = "auto"

    @property
    def first_rate(self) -> float:
        """The rate that a schedule goes on from: as configured, or that which suits the optimiser."""
        return OPTIMIZERS[self.name].rate if isinstance(self.learning_rate, str) else self.learning_rate


@_with_keys_of(SCHEDULES.values(), one_applies=True)
class ScheduleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[schedule]``: how the learning rate goes on from ``optimizer.learning_rate``."""

    name: ScheduleName = "constant"
    warmup_steps: StepCount = 0


class TrainConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[train]``: how long, how much at once, and from which seed."""

    epochs: PositiveInt = 200
    global_batch_size: PositiveInt | Literal["full"] = 64
    micro_batches: Annotated[int, Meta(ge=1, le=MOST_MICRO_BATCHES)] | Literal["auto"] = "auto"
    seed: Seed = 0
    clip_norm: NonNegativeFloat = 0.0
    early_stopping_patience: Count | Literal["auto"] = "auto"
    target_loss: NonNegativeFloat = 0.0
    log_layer_norms: bool = False
    tensorboard: bool = False
    check_ranks_every: StepCount = 200
    shard_optimizer: bool | Literal["auto"] = "auto"
    overlap: bool | Literal["auto"] = "auto"
    on_nonfinite: Literal["stop", "skip"] = "stop"
    isa: Literal["native", "haswell", "skylake-avx512", "cooperlake"] = "native"
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    timeout_s: Timeout = 600.0


class CheckpointConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """``[checkpoint]``: how often to save and how many to keep.

    Each rule that is given counts; without any it is every epoch. The end of a run is always saved, and what stops it.
    """

    every_epochs: PositiveInt | None = None
    every_steps: Steps | None = None
    every_minutes: Annotated[float, Meta(ge=1e-3, le=1e6)] | None = None
    keep: PositiveInt = 3


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration of a run."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    train: TrainConfig = TrainConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()


def sections() -> dict[str, type[Struct]]:
    """Return the struct of every section, by name, in the order of the file."""
    return {item.name: item.type for item in fields_of(Config)}


def keys(section: type[Struct]) -> dict[str, Any]:
    """Return the type of every key of a section, by name."""
    return {item.name: item.type for item in fields_of(section)}


def value_of(raw: dict[str, Any], section: str, key: str) -> Any:
    """Return a value of a raw configuration, or the default of the schema."""
    given = raw.get(section, {}).get(key)
    if given is not None:
        return given
    (found,) = (item for item in fields_of(sections()[section]) if item.name == key)
    return found.default if found.default_factory is msgspec.NODEFAULT else found.default_factory()


def is_table(kind: Any) -> bool:
    """Tell whether the type of a key is that of a table of keys."""
    return isinstance(kind, type) and issubclass(kind, Struct)
