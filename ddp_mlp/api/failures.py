"""Errors as Python's users expect them: those of the command line, of which some are a `ValueError` too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, UsageError


class InvalidUseError(UsageError, ValueError):
    """A `UsageError` that is a `ValueError` too."""


class InvalidDataError(DataError, ValueError):
    """A `DataError` that is a `ValueError` too."""


class NoSuchFileError(MissingInputError, FileNotFoundError):
    """A `MissingInputError` that is a `FileNotFoundError` too."""


_TWINS: dict[type[DdpMlpError], type[DdpMlpError]] = {
    UsageError: InvalidUseError,
    DataError: InvalidDataError,
    MissingInputError: NoSuchFileError,
}


@contextmanager
def as_python_errors() -> Iterator[None]:
    """Raise errors of the command line as those that are Python's too; words and notes stay."""
    try:
        yield
    except DdpMlpError as error:
        twin = _TWINS.get(type(error))
        if twin is None:
            raise
        found = twin(str(error))
        for note in getattr(error, "__notes__", ()):
            found.add_note(note)
        raise found from error
