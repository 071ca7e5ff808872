"""Starting a training job again after a failure, from its last good checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ddp_mlp.cluster.launch.headroom import shortages
from ddp_mlp.cluster.slurm.record import read_status
from ddp_mlp.comm.shared_memory import suspicion
from ddp_mlp.errors import ALL_ERRORS, DdpMlpError, UsageError, counted

#: What another start would not change: mistakes of the user, requests to stop, training that diverged.
_FINAL = {0, 130} | {kind.exit_code for kind in ALL_ERRORS if not kind.may_pass}
#: Codes with which ranks end after having said why; 1 is the verdict of a command that compares.
_EXPLAINED = {1} | _FINAL | {kind.exit_code for kind in ALL_ERRORS}
_LAST_SIGNAL = 64
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0

Tell = Callable[[str], None]


class Requests(Protocol):
    """Whether somebody asks this job to stop."""

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a request comes; return whether one has come."""


#: Commands whose directory holds the runs of many trials.
_STUDIES = ("search", "cross-validate", "ensemble")


@dataclass(frozen=True)
class TrainCommand:
    """The command line of a ``train``, or of a study, whose directory tells how far it came."""

    arguments: tuple[str, ...]

    @property
    def is_study(self) -> bool:
        """Whether it trains many runs."""
        return self.arguments[0] in _STUDIES

    @property
    def is_placed(self) -> bool:
        """Whether another start finds the directory; ``launch`` gives one to each ``train``."""
        return not self.is_study or any(word.split("=")[0] == "--out" for word in self.arguments)

    @property
    def run_directory(self) -> Path:
        """Where the run is kept."""
        for option, value in zip(self.arguments, (*self.arguments[1:], ""), strict=True):
            if option == "--out":
                return Path(value)
            if option.startswith("--out="):
                return Path(option.removeprefix("--out="))
        return Path("runs") / next((Path(word).stem for word in self.arguments if word.endswith(".toml")), "")

    @property
    def resumed(self) -> tuple[str, ...]:
        """The command line that goes on from the last checkpoint."""
        return self.arguments if "--resume" in self.arguments else (*self.arguments, "--resume")

    def saved_step(self) -> int:
        """Return the step of the newest checkpoint, of a study those of all trials; -1 without any that can be seen."""
        patterns = ("*/checkpoints", "*/*/checkpoints") if self.is_study else ("checkpoints",)
        found = [_newest_step(path) for pattern in patterns for path in self.run_directory.glob(pattern)]
        return sum(step for step in found if step > 0) if any(step >= 0 for step in found) else -1

    def is_unfinished(self, since: float) -> bool:
        """Tell whether the run said after `since` that it runs, and nothing after that."""
        with suppress(OSError):
            is_new = (self.run_directory / "status.json").lstat().st_mtime >= since
            return is_new and read_status(self.run_directory).get("state") == "running"
        return False


def _newest_step(checkpoints: Path) -> int:
    from ddp_mlp.checkpoint.checkpoint import list_checkpoints  # with NumPy and h5py, which a start can do without

    with suppress(DdpMlpError, OSError):  # the ranks will say what is wrong with it
        newest = list_checkpoints(checkpoints)[:1]
        return int(newest[0].stem.removeprefix("step-")) if newest else -1
    return -1


def train_command(arguments: Sequence[str]) -> TrainCommand | None:
    """Return the ``train``, or the study, among the arguments of ``ddp-mlp``, or None for other commands."""
    return TrainCommand(tuple(arguments)) if arguments[:1] and arguments[0] in ("train", *_STUDIES) else None


def explain(code: int, command: TrainCommand | None, since: float, tell: Tell) -> int:
    """Return the exit code of a job that ended with `code`; say what its ranks could not.

    A rank that is killed says nothing, and with some launchers a job whose rank has left
    without a word ends with 0.
    """
    if code == 0 and not (command and command.is_unfinished(since)):
        return 0
    if code in _EXPLAINED and code != 0:
        return code
    is_signal = 128 < code <= 128 + _LAST_SIGNAL
    how = f"killed by signal {code - 128}" if is_signal else f"exit code {code}"
    step = command.saved_step() if command else -1
    is_study = command is not None and command.is_study
    what = f"checkpoints of {counted(step, 'step')} in all are" if is_study else f"the checkpoint of step {step} is"
    saved = f"; {what} there, go on with --resume" if step >= 0 else ""
    tell(f"error: a rank left or was killed before the job was done ({how}){saved}{suspicion(code)}{shortages()}")
    return 70


def run_with_restarts(
    start: Callable[[Sequence[str]], int],
    arguments: Sequence[str],
    max_restarts: int,
    requests: Requests,
    tell: Tell,
) -> int:
    """Start a job, and again while it fails in a way that another start can mend; return its exit code.

    A start that has saved nothing new is followed by one more, not by two.

    Parameters
    ----------
    start : callable
        Runs ``ddp-mlp ARGUMENTS`` on all ranks and returns its exit code.

    Raises
    ------
    UsageError
        If there is a number of restarts for a command that cannot resume, or replaces a run.
    """
    command = train_command(arguments)
    if max_restarts and not command:
        raise UsageError(f"--max-restarts is for `train` and studies, which can resume; {arguments[0]} cannot")
    if max_restarts and command and not command.is_placed:
        raise UsageError(f"--max-restarts needs to know where {arguments[0]} keeps its runs; give it --out")
    if max_restarts and "--overwrite" in arguments:
        raise UsageError("--overwrite does not go with --max-restarts: a restart could take the run that it replaces")
    code = start(arguments)
    in_vain, reached = 0, -1
    for restart in range(1, max_restarts + 1):
        if code in _FINAL or command is None or requests.wait(0):
            return code
        step = command.saved_step()
        in_vain, reached = (0, step) if step > reached else (in_vain + 1, reached)
        if in_vain > 1:
            tell(f"error: two starts without a new checkpoint (last: step {step}); not started again")
            return code
        wait_s = min(_FIRST_WAIT_S * 2**in_vain, _LONGEST_WAIT_S)
        whence = f"from step {step}" if step >= 0 else "from the beginning"
        tell(f"restart {restart} of {max_restarts} {whence} in {wait_s:g} s: the job ended with exit code {code}")
        if requests.wait(wait_s):
            return code
        code = start(command.resumed)
    return code
