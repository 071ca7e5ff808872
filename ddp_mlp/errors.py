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

import difflib
import re
import reprlib
import shlex
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, ClassVar

#: Characters of one word, such as a path, of one line, and lines of a message; more is cut out of the middle.
MOST_OF_A_WORD, MOST_OF_A_LINE, _MOST_LINES = 400, 2000, 500

_LONG_WORD = re.compile(rf"\S{{{MOST_OF_A_WORD + 1},}}")
_BETWEEN_WORDS = re.compile(r"[\s_.\-]+")
#: Names that a misspelt one is compared with, and letters of each.
_MOST_COMPARED, _MOST_OF_A_NAME = 2_000, 60


class DdpMlpError(Exception):
    """Root of the errors that end a command with one line on standard error.

    The message is kept `brief`, whatever a user or a file has put into it.
    """

    exit_code: ClassVar[int] = 70
    #: Whether another start may do without it.
    may_pass: ClassVar[bool] = True

    def __init__(self, message: str = "") -> None:
        Exception.__init__(self, brief(message))


class UsageError(DdpMlpError):
    """A command line or configuration that cannot mean anything."""

    exit_code = 2
    may_pass = False


class DataError(DdpMlpError):
    """A file that exists but holds something else than it should."""

    exit_code = 65
    may_pass = False


class MissingInputError(DdpMlpError):
    """An input file that is not there or cannot be opened."""

    exit_code = 66
    may_pass = False


class OutputError(DdpMlpError):
    """An output that cannot be created."""

    exit_code = 73
    may_pass = False


class StorageError(DdpMlpError):
    """A read or write that failed after it had begun, such as a full disk."""

    exit_code = 74


class StoppedError(DdpMlpError):
    """A run that was asked to stop and has saved its state."""

    exit_code = 75
    may_pass = False


class LaunchError(DdpMlpError):
    """Ranks that do not fit their launcher, or that no longer agree."""

    exit_code = 76


class CheckpointError(DdpMlpError):
    """A checkpoint that belongs to another configuration."""

    exit_code = 78
    may_pass = False


class NonFiniteError(DdpMlpError):
    """A loss or gradient that is not a finite number."""

    exit_code = 79
    may_pass = False


class CollectiveTimeoutError(DdpMlpError):
    """A collective operation that a rank never joined."""

    exit_code = 80


#: Every class of errors, the root first.
ALL_ERRORS: tuple[type[DdpMlpError], ...] = (DdpMlpError, *DdpMlpError.__subclasses__())


def error_from_code(exit_code: int, message: str) -> DdpMlpError:
    """Rebuild the error another rank raised from its exit code and message."""
    for kind in ALL_ERRORS:
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


def shell_word(path: object) -> str:
    """Return a path as one word of a command that a message says to type: quoted if need be, and never an option.

    Examples
    --------
    >>> shell_word("runs/a"), shell_word("my data.h5"), shell_word("-d.toml")
    ('runs/a', "'my data.h5'", './-d.toml')
    """
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def listed(names: Sequence[str], most: int) -> str:
    """Return the first `most` names for a message, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that another is likely to mean; case, blanks and signs between words matter little.

    Examples
    --------
    >>> nearest("mpg", ["MPG", "Sepal Length"]), nearest("sepal_lenght", ["MPG", "Sepal Length"]), nearest("x", ["MPG"])
    ('MPG', 'Sepal Length', None)
    """
    plain: dict[str, str] = {}
    for one in known[:_MOST_COMPARED]:
        plain.setdefault(_plain(one), one)
    close = difflib.get_close_matches(_plain(name), plain, 1)
    return plain[close[0]] if close else None


def with_hints(names: Sequence[str], known: Sequence[str], most: int) -> str:
    """Return the first `most` names for a message, each with the known name that it is likely to mean."""
    hints = [(name, nearest(name, known)) for name in names[:most]]
    first = [f"{name} (is it {hint}?)" if hint else name for name, hint in hints]
    return listed([*first, *names[most:]], most)


def counted(n: int, thing: str) -> str:
    """Return a number and a noun: ``1 row``, ``2 rows``, ``3 classes``."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}{'es' if thing.endswith('s') else 's'}"


def _plain(name: str) -> str:
    """Return a name without what is written in several ways."""
    return _BETWEEN_WORDS.sub("", name[:_MOST_OF_A_NAME].casefold()) or name


def brief(text: str) -> str:
    """Return `text` with the middle cut out of words and lines that nobody would read to their end.

    Examples
    --------
    >>> len(brief("x" * 100_000 + ": no such file"))
    413
    """
    lines = text.split("\n")
    more = [f"... and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    short = (_LONG_WORD.sub(lambda word: _cut(word[0], MOST_OF_A_WORD), line) for line in lines[:_MOST_LINES])
    return "\n".join([*(_cut(line, MOST_OF_A_LINE) for line in short), *more])


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = 2 * most // 3
    return f"{text[:head]}...{text[head + 3 - most :]}"


class _Shortener(reprlib.Repr):
    """The short form of any value that a file can hold, however long, deep or large it is."""

    def __init__(self) -> None:
        reprlib.Repr.__init__(self)
        self.maxstring, self.maxother, self.maxlevel, self.maxlist, self.maxdict = 60, 60, 3, 6, 4

    def repr_int(self, value: int, level: int) -> str:  # noqa: ARG002 - of `Repr`
        digits = round(abs(value).bit_length() * 0.30103)
        return repr(value) if digits < 40 else f"a whole number of about {digits} digits"

    def repr_str(self, value: str, level: int) -> str:  # noqa: ARG002
        return repr(value) if len(value) <= self.maxstring else repr(value[: self.maxstring - 3])[:-1] + "...'"

    def repr_instance(self, value: Any, level: int) -> str:  # noqa: ARG002
        shown = str(value) if isinstance(value, date | datetime | time) else repr(value)
        return _cut(shown, self.maxother)


def literal(value: object) -> str:
    """Return a value of a file or a command line as it may stand in a message: in one line, and short.

    Examples
    --------
    >>> literal("relu"), literal([1, 2.5, True]), literal(-(10**5000))
    ("'relu'", '[1, 2.5, True]', 'a whole number of about 5000 digits')
    """
    return _cut(printable(_Shortener().repr(value)), 160)
