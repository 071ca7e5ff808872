"""The desk of a study: hands out trials to groups of workers, and hears how they go.

It knows nothing of processes and messages: whoever carries them calls `hear` and `orders`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ddp_mlp.errors import CollectiveTimeoutError, DdpMlpError, error_from_code
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.study.execution.socket_line import Message
from ddp_mlp.study.sampler import Assignment
from ddp_mlp.study.study import Study, Summary, headed, unfinished
from ddp_mlp.study.trials import Tell

#: Starts of one trial that end without a word and without a new epoch, before it counts as failed.
MOST_DEATHS = 2


@dataclass
class Task:
    """A trial that is under way, or waits for its turn again.

    Attributes
    ----------
    progress : dict
        The newest word of it: epoch, epochs, and losses.
    moved_at : float
        When it gave its last sign of progress.
    n_deaths : int
        Processes that ended in it since it came further.
    is_begun : bool
        Whether a process has ended in it, so that it goes on from what that has left.
    """

    number: int
    name: str
    trial: tuple[Assignment, ...]
    progress: dict[str, Any] = field(default_factory=dict)
    moved_at: float = 0.0
    n_deaths: int = 0
    is_begun: bool = False


class Desk:
    """The state of a study that runs.

    Parameters
    ----------
    study : Study
    lag : int
        Trials at once that the sampler is to reckon with.
    timeout_s : float
        Seconds after which a trial without progress counts as hung; 0 for never.
    on_result : callable
        Called with the summaries so far whenever a trial is over.
    tell : callable
        Called with lines for the user.

    Attributes
    ----------
    running : dict of int to Task
        The task of each group that has one.
    failure : DdpMlpError or None
        What ends the whole study, once all groups have stopped.
    stopped_by : str
        Who asked the study to stop.
    """

    def __init__(
        self, study: Study, lag: int, timeout_s: float, on_result: Callable[[list[Summary]], None], tell: Tell
    ) -> None:
        self._study, self._lag, self._timeout_s, self._on_result, self._tell = study, lag, timeout_s, on_result, tell
        self.running: dict[int, Task] = {}
        self.over: dict[int, Summary] = {}
        self.failure: DdpMlpError | None = None
        self.stopped_by = ""
        self._idle: list[int] = []
        self._again: list[Task] = []
        self._untold: set[int] = set()
        self._next, self._is_at_end = 0, False

    @property
    def is_over(self) -> bool:
        """Whether all trials have ended that will."""
        return not self.running and (bool(self.stopped_by) or (self._is_at_end and not self._again))

    def summaries(self) -> list[Summary]:
        """Return the summaries of all trials that have ended, by number; of a study that was stopped one says so."""
        found = [self.over[number] for number in sorted(self.over)]
        is_told = any(summary["status"] == "stopped" for summary in found)
        if not self.stopped_by or self.running or self._is_at_end or is_told:
            return found
        return [*found, unfinished(self._study, self._study.name(self._next))]

    def hear(self, group: int, message: Message) -> None:
        """Take a message of a group."""
        kind = message["kind"]
        if kind == "ready":
            self._idle.append(group)
        elif kind == "stop":
            self.stop(message["by"])
        elif kind == "tell":
            self._tell(message["text"])
        elif kind == "progress" and group in self.running:
            task = self.running[group]
            if message["progress"].get("epoch") != task.progress.get("epoch"):
                task.n_deaths = 0
            task.progress, task.moved_at = message["progress"], monotonic()
        elif kind == "over":
            self._end(group, message["summary"])
            self._idle.append(group)
        elif kind == "failed":
            self.running.pop(group, None)
            self._idle.append(group)
            self.fail(error_from_code(message["code"], message["reason"]))

    def orders(self) -> Iterator[tuple[int, Message]]:
        """Yield the messages for groups, and for which."""
        while self._idle and not self.stopped_by and (task := self._proposed()):
            group = self._idle.pop(0)
            task.moved_at = monotonic()
            self.running[group] = task
            self._tell(f"{task.name}: {', '.join(task.trial)}")
            yield group, {"kind": "task", "name": task.name, "trial": list(task.trial), "resume": task.is_begun}
        while self._untold:
            yield self._untold.pop(), {"kind": "stop", "by": self.stopped_by}

    def stop(self, by: str) -> None:
        """Hand out nothing more, and let all groups stop."""
        if not self.stopped_by:
            self.stopped_by = by
            self._untold = set(self.running)

    def fail(self, error: DdpMlpError) -> None:
        """Let the whole study end with an error, once all groups have stopped."""
        self.failure = self.failure or error
        self.stop(f"a failure: {error}")

    def lose(self, group: int, how: str) -> None:
        """Hear that the process of a group has ended without a word; its trial is handed out again, not for ever."""
        self._idle = [other for other in self._idle if other != group]
        if group not in self.running:
            return
        task = self.running.pop(group)
        task.n_deaths, task.is_begun = task.n_deaths + 1, True
        if self.stopped_by:
            self._note(task, unfinished(self._study, task.name))
        elif task.n_deaths < MOST_DEATHS:
            self._again.append(task)
        else:
            self._note(task, self._failed(task, DdpMlpError(f"its process ended {task.n_deaths} times: {how}")))

    def hung(self) -> Iterator[int]:
        """Yield the groups whose trial has not moved for too long."""
        if self._timeout_s:
            late = monotonic() - self._timeout_s
            yield from [group for group, task in self.running.items() if task.moved_at < late]

    def give_up(self, group: int) -> Summary:
        """Count the trial of a group as failed since it hangs, and return its summary; its directory tells so too."""
        task = self.running.pop(group)
        reason = f"no progress for {self._timeout_s:g} s, [train] timeout_s: it hangs and was ended"
        summary = self._failed(task, CollectiveTimeoutError(reason))
        self._note(task, summary)
        directory = RunDirectory(Path(summary["run_dir"]))
        with suppress(DdpMlpError):
            directory.create()  # it may have hung before
        directory.note_failure(summary["exit_code"], summary["reason"], within_s=1)
        return summary

    def _proposed(self) -> Task | None:
        """Return the next trial; the study ends where one cannot be chosen."""
        try:
            return self._next_task()
        except DdpMlpError as error:
            self.fail(error)
            return None

    def _next_task(self) -> Task | None:
        """Return the next trial; None where there is none, or it waits for results of others."""
        if self._again:
            return self._again.pop(0)
        if self._is_at_end:
            return None
        number, sampler = self._next, self._study.sampler
        seen = sampler.sees(number, self._lag)
        if any(other not in self.over for other in seen):
            return None
        trial = sampler.propose(number, {other: self._study.value(self.over[other]) for other in seen})
        if trial is None:
            self._is_at_end = True
            return None
        self._next += 1
        return Task(number, self._study.name(number), tuple(trial))

    def _end(self, group: int, summary: Summary) -> None:
        task = self.running.pop(group)
        if summary["status"] == "stopped":
            self.stop(summary.get("stopped_by") or "a request")
        self._note(task, headed(task.name, task.trial, summary))

    def _note(self, task: Task, summary: Summary) -> None:
        self.over[task.number] = summary
        try:
            self._on_result(self.summaries())
        except DdpMlpError as error:
            self.fail(error)

    def _failed(self, task: Task, error: DdpMlpError) -> Summary:
        told = {"status": "failed", "exit_code": error.exit_code, "reason": str(error)}
        directory = str(self._study.options.directory / task.name)
        return headed(task.name, task.trial, {**told, "run_dir": directory})
