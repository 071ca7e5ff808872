"""Errors of estimators: those of the Python interface, and scikit-learn's as well where its tools look for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import NotFittedError

from ddp_mlp.api.failures import InvalidDataError, as_python_errors
from ddp_mlp.errors import DdpMlpError, NonFiniteError, UsageError


class UnfittedError(UsageError, NotFittedError):
    """A `UsageError` that is a `NotFittedError` too."""


class DivergedError(NonFiniteError, ValueError):
    """A `NonFiniteError` that is a `ValueError` too."""


@contextmanager
def as_estimator_errors() -> Iterator[None]:
    """Raise errors as Python's users expect them, and a training that became non-finite as a `ValueError` too."""
    try:
        with as_python_errors():
            yield
    except NonFiniteError as error:
        raise DivergedError(str(error)) from error


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Raise a mistake that scikit-learn's checks find as an error of this program, on which ranks can agree."""
    try:
        yield
    except DdpMlpError:
        raise
    except ValueError as error:
        raise InvalidDataError(str(error)) from error
