"""One format that models are written in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.ensembles.spread import Combined
from ddp_mlp.core.layout import Floats
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.portable import Portable


def _nothing(_: Portable) -> str:
    return ""


@dataclass(frozen=True)
class Together:
    """The way in which a format holds several models that answer together.

    Attributes
    ----------
    image : callable
        ``image(models)`` returns the bytes of the file.
    answers : callable
        ``answers(image, x)`` returns mean and spread for features as in the data, shape (n, F).
    objection : callable
        Says why models cannot be written so; nothing if they can.
    """

    image: Callable[[Sequence[Portable]], bytes]
    answers: Callable[[bytes, NDArray[np.float64]], Combined]
    objection: Callable[[Sequence[Portable]], str]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name : str
        As the command line calls it.
    suffix : str
        Of its files.
    image : callable
        ``image(model, stem)`` returns the bytes of the file, whose name without suffix is `stem`.
    answers : callable
        ``answers(image, model, x)`` returns the outputs for features as in the data, shape (n, F), computed by those
        who read such a file; the model tells in which order it has its classes.
    objection : callable
        Says why a model cannot be written so; nothing if it can.
    remark : callable
        Says what whoever uses the file must know, in a line; nothing if there is nothing.
    together : Together or None
        How several models that answer together are written; None where the format holds one.
    """

    name: str
    suffix: str
    image: Callable[[Portable, str], bytes]
    answers: Callable[[bytes, Portable, NDArray[np.float64]], Floats]
    objection: Callable[[Portable], str] = _nothing
    remark: Callable[[Portable], str] = _nothing
    together: Together | None = None


def library(name: str, extra: str) -> Any:
    """Import the library of a format.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f'pip install "ddp-mlp[{extra}]"'
        raise UsageError(f"this needs {name.partition('.')[0]} ({error}); install it with {reason}") from None
