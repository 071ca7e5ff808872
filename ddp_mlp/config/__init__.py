"""The whole configuration: frozen structs, TOML in and out, all checks."""

from ddp_mlp.config.checks import MOST_MICRO_BATCHES
from ddp_mlp.config.loading import as_toml, from_builtins, load_config
from ddp_mlp.config.schema import (
    OPTIMIZER_DEFAULTS,
    AugmentConfig,
    CheckpointConfig,
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
)

__all__ = [
    "MOST_MICRO_BATCHES",
    "OPTIMIZER_DEFAULTS",
    "AugmentConfig",
    "CheckpointConfig",
    "Config",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "ScheduleConfig",
    "TrainConfig",
    "as_toml",
    "from_builtins",
    "load_config",
]
