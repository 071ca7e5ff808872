"""The errors a user can meet, each with the exit code of its command.

::

    DdpMlpError                70  internal error
    |-- UsageError              2  usage or configuration
    |-- DataError              65  bad data
    |-- MissingInputError      66  missing input
    |-- OutputError            73  cannot create output
    |-- StorageError           74  reading or writing failed
    |-- StoppedError           75  stopped on request, state saved, run again to go on
    |-- LaunchError            76  ranks and launcher do not match, or ranks diverged
    |-- CheckpointError        78  checkpoint does not fit the configuration
    |-- NonFiniteError         79  training became non-finite
    `-- CollectiveTimeoutError 80  a collective operation timed out

The message of an error is one sentence in the user's terms: what was found, what is
allowed, where, and what to do.
"""

from __future__ import annotations

from typing import ClassVar


class DdpMlpError(Exception):
    """Root of the errors that end a command with one line on standard error."""

    exit_code: ClassVar[int] = 70


class UsageError(DdpMlpError):
    """A command line or configuration that cannot mean anything."""

    exit_code = 2


class DataError(DdpMlpError):
    """A file that exists but does not hold what it should."""

    exit_code = 65


class MissingInputError(DdpMlpError):
    """An input file that is not there or cannot be opened."""

    exit_code = 66


class OutputError(DdpMlpError):
    """An output that cannot be created."""

    exit_code = 73


class StorageError(DdpMlpError):
    """A read or write that failed after it had begun, such as a full disk."""

    exit_code = 74


class StoppedError(DdpMlpError):
    """A run that was asked to stop and has saved its state."""

    exit_code = 75


class LaunchError(DdpMlpError):
    """Ranks that do not fit their launcher, or that no longer agree."""

    exit_code = 76


class CheckpointError(DdpMlpError):
    """A checkpoint that belongs to another configuration."""

    exit_code = 78


class NonFiniteError(DdpMlpError):
    """A loss or gradient that is not a finite number."""

    exit_code = 79


class CollectiveTimeoutError(DdpMlpError):
    """A collective operation that a rank never joined."""

    exit_code = 80


def error_from_code(exit_code: int, message: str) -> DdpMlpError:
    """Rebuild the error another rank raised from its exit code and message."""
    for kind in DdpMlpError.__subclasses__():
        if kind.exit_code == exit_code:
            return kind(message)
    return DdpMlpError(message)


def printable(text: str) -> str:
    r"""Return `text` with control characters and lone surrogates shown as escapes.

    What a file or a user names may end in a message; a terminal must not obey it.

    Examples
    --------
    >>> printable("pixel\x1b[2J")
    'pixel\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
