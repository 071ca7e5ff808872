"""The result of a run that has come to its end, as its directory tells it."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any

from ddp_mlp.checkpoint.checkpoint import Checkpoint, newest_good
from ddp_mlp.checkpoint.resuming import check_content
from ddp_mlp.config import Config, DataConfig, as_toml
from ddp_mlp.errors import CollectiveTimeoutError, DdpMlpError, NonFiniteError
from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.inputs.parting import content_sha256

_DONE = ("finished", "early-stopped", "target-reached")
#: Failures that another start of the same trial would only repeat.
_FINAL = (NonFiniteError.exit_code, CollectiveTimeoutError.exit_code)
#: What a status tells beside the result of a run.
_OF_STATUS = ("state", "pid", "host", "slurm_job_id", "updated_utc", "checkpoint", "ranks")

Summary = dict[str, Any]


class Stored:
    """The results of runs of one study; what their data hold now is looked up once."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}

    def result(self, directory: RunDirectory, config: Config) -> Summary | None:
        """Return the summary of a run that is over; None where it has to go on, or is not this one.

        Raises
        ------
        CheckpointError
            If the data are not those that it was trained on.
        """
        with suppress(OSError, UnicodeDecodeError):
            status = read_json(directory.path / "status.json", dict[str, Any]) or {}
            if (directory.path / "config.toml").read_text() != as_toml(config):
                return None
            return self._of(status, directory, config)
        return None

    def _of(self, status: dict[str, Any], directory: RunDirectory, config: Config) -> Summary | None:
        told = {name: value for name, value in status.items() if name not in _OF_STATUS}
        state, path = status.get("state"), str(directory.path)
        if state == "failed" and status.get("exit_code") in _FINAL:
            return {"status": "failed", "exit_code": status["exit_code"], "reason": status["reason"], "run_dir": path}
        if state not in _DONE or told.get("status") != state or not directory.model.is_file():
            return None
        checkpoint = _newest(directory)
        if checkpoint is None or checkpoint.path.name != status.get("checkpoint"):
            return None
        check_content(checkpoint, self._fingerprint(config.data))
        return {**{name: value for name, value in told.items() if name != "exit_code"}, "run_dir": path}

    def _fingerprint(self, data: DataConfig) -> str:
        """Return the hash of the content of the files of a configuration."""
        key = repr(data)
        if key not in self._fingerprints:
            with ExitStack() as stack:
                self._fingerprints[key] = content_sha256(data, *open_splits(data, stack))
        return self._fingerprints[key]


def _newest(directory: RunDirectory) -> Checkpoint | None:
    with suppress(DdpMlpError):  # whoever goes on with the run will say so
        return newest_good(directory.checkpoints)[0]
    return None
