"""The whole configuration: frozen structs, TOML in and out, all checks."""

from ddp_mlp.config.loading import as_toml, from_builtins, load_config
from ddp_mlp.config.schema import (
    MOST_MICRO_BATCHES,
    MOST_TRIALS,
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
from ddp_mlp.config.toml import parse_value

__all__ = [
    "MOST_MICRO_BATCHES",
    "MOST_TRIALS",
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
    "parse_value",
]
