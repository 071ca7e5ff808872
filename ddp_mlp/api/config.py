"""The configuration of a run, from keyword arguments or a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.config import as_toml, from_builtins, load_config
from ddp_mlp.config import schema as keys
from ddp_mlp.config.toml_text import inline
from ddp_mlp.config.values import IN_MEMORY
from ddp_mlp.errors import UsageError, literal

Table = Mapping[str, Any]


class Config:
    """The whole configuration of a run, checked and with every default; it never changes.

    Each argument is a section of the configuration file, with its keys; see ``docs/configuration.md``.

    Parameters
    ----------
    data, model, loss, optimizer, schedule, train, checkpoint : mapping of str to value, optional
        Keys that differ from their defaults. ``data["train"]`` is the path of a data set; it may be left out where the
        data are given as arrays or DataFrames.

    Raises
    ------
    UsageError
        With all keys that are unknown, and all values that are impossible.

    Examples
    --------
    >>> config = Config(model={"hidden": [32, 16]}, train={"epochs": 5})
    >>> config.train.epochs, config.model.activation
    (5, 'relu')
    """

    __slots__ = ("_earlier", "_settings")
    _settings: keys.Config
    _earlier: keys.Config | None

    def __init__(
        self,
        data: Table | None = None,
        model: Table | None = None,
        loss: Table | None = None,
        optimizer: Table | None = None,
        schedule: Table | None = None,
        train: Table | None = None,
        checkpoint: Table | None = None,
    ) -> None:
        given = {
            "data": data, "model": model, "loss": loss, "optimizer": optimizer, "schedule": schedule, "train": train,
            "checkpoint": checkpoint,
        }  # fmt: skip
        raw: dict[str, Any] = {name: _plain(table) for name, table in given.items() if table is not None}
        if isinstance(raw.setdefault("data", {}), dict):
            raw["data"] = {"train": IN_MEMORY, **raw["data"]}
            for key in ("train", "valid"):
                if isinstance(path := raw["data"].get(key), str) and path not in {IN_MEMORY, "none", ""}:
                    raw["data"][key] = os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - F.h5:/group stays
        model = raw.get("model")
        start = model.get("start") if isinstance(model, dict) else None
        if isinstance(model, dict) and isinstance(start, str) and start not in {IN_MEMORY, "none", ""}:
            model["start"] = str(Path(start).expanduser().absolute())
        with as_python_errors():
            earlier = from_builtins(raw, "Config", with_earlier_defaults=True)
            settings = from_builtins(raw, "Config")
        object.__setattr__(self, "_settings", settings)
        object.__setattr__(self, "_earlier", earlier)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], overrides: Table | None = None) -> Self:
        """Read a configuration file, as the command line does, the environment included.

        Parameters
        ----------
        path : path
            TOML file; paths in it are relative to its directory. ``[data] train`` may be left out where the data are
            given as arrays or DataFrames.
        overrides : mapping of str to value, optional
            By ``"section.key"``, such as ``{"optimizer.learning_rate": 0.01}``.

        Raises
        ------
        MissingInputError
            If there is no such file.
        UsageError
            If anything in it is unknown or impossible.
        """
        with as_python_errors():
            texts = [f"{key}={_as_text(key, value)}" for key, value in (overrides or {}).items()]
            beneath = {"data": {"train": IN_MEMORY}}
            settings = load_config(Path(path), texts, beneath=beneath)
            return cls.of(settings, load_config(Path(path), texts, beneath=beneath, with_earlier_defaults=True))

    @classmethod
    def of(cls, settings: keys.Config, earlier: keys.Config | None = None) -> Self:
        """Return the configuration of checked settings, and of those with the defaults of earlier versions."""
        made = cls.__new__(cls)
        object.__setattr__(made, "_settings", settings)
        object.__setattr__(made, "_earlier", earlier)
        return made

    @property
    def settings(self) -> keys.Config:
        """All sections as one frozen struct."""
        return self._settings

    @property
    def earlier(self) -> keys.Config | None:
        """The same with the defaults of earlier versions, for runs that began with them; None where nobody knows."""
        return self._earlier

    @property
    def data(self) -> keys.DataConfig:
        """Where the samples come from and how they are normalised."""
        return self.settings.data

    @property
    def model(self) -> keys.ModelConfig:
        """The network."""
        return self.settings.model

    @property
    def loss(self) -> keys.LossConfig:
        """The loss and the penalties on the weights."""
        return self.settings.loss

    @property
    def optimizer(self) -> keys.OptimizerConfig:
        """The optimiser and its learning rate."""
        return self.settings.optimizer

    @property
    def schedule(self) -> keys.ScheduleConfig:
        """How the learning rate goes on."""
        return self.settings.schedule

    @property
    def train(self) -> keys.TrainConfig:
        """How long, how much at once, and from which seed."""
        return self.settings.train

    @property
    def checkpoint(self) -> keys.CheckpointConfig:
        """How often to save and how many to keep."""
        return self.settings.checkpoint

    def to_toml(self) -> str:
        """Return every key as the text of a configuration file."""
        return as_toml(self.settings)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a configuration never changes, so {name} cannot be set; make another one")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash(self.to_toml())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.settings, self.earlier)

    def __repr__(self) -> str:
        told, usual = [], msgspec.to_builtins(from_builtins({"data": {"train": IN_MEMORY}}, "Config"))
        for section, table in msgspec.to_builtins(self.settings).items():
            if own := {k: v for k, v in table.items() if v is not None and v != usual[section].get(k)}:
                told.append(f"{section}={own!r}")
        return f"Config({', '.join(told)})"


def _as_text(key: str, value: Any) -> str:
    value = _plain(value)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict):
        raise UsageError(f"{key} = {literal(value)}: name each key as section.key, with a number, text or list")
    return inline(value)


def _plain(value: Any) -> Any:
    """Return a value as TOML knows it: numbers of NumPy, tuples and paths become plain ones."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(part) for part in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
