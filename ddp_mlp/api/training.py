"""Training from Python: all at once, or report by report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddp_mlp.api.config import Config
from ddp_mlp.api.failures import as_python_errors
from ddp_mlp.api.loop import Training, reports_of
from ddp_mlp.api.problem import config_of, problem_of, starting_from, threads_of
from ddp_mlp.api.result import Result
from ddp_mlp.errors import UsageError
from ddp_mlp.run.options import RunOptions
from ddp_mlp.run.signals import stop_signals_wait


def train(
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    valid: Any = None,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    start: Any = None,
) -> Result:
    """Collective. Train a network to the end.

    The same script under ``python`` and under ``mpiexec -n 4`` gives the same bits.

    Parameters
    ----------
    config : Config, mapping, or path, optional
        A configuration, its sections, or its file; by default all keys have their defaults.
    data : tuple, array, DataFrame, or path, optional
        ``(X, y)`` or ``(X, y, sample_weight)`` in place of the files of the configuration: arrays, of which a
        text ``y`` holds classes; or a DataFrame, or the path of a table, whose columns are understood as ``ddp-mlp data
        import`` does, with ``y`` beside it or the name of a column. Or the path of an HDF5 file. Every rank gives the
        same rows.
    valid : as `data`, optional
        Rows that validate; by default some of `data`, as ``[data] valid_fraction`` says.
    out : path, optional
        Run directory; without one no file is written.
    threads : int, optional
        That each rank computes with; 1, or ``DDP_MLP_THREADS_PER_RANK``.
    resume : bool
        Go on with the run in `out`, if there is one.
    overwrite : bool
        Replace a run in `out`.
    progress : bool, optional
        Whether to draw a bar; by default in a notebook.
    start : Model or path, optional
        Whose weights and preprocessing training goes on from; without a section ``[model]``, also its network.

    Returns
    -------
    Result

    Raises
    ------
    UsageError, DataError
        If the configuration or the data mean nothing, or do not fit each other; a `ValueError` too.
    MissingInputError
        If a file is not there; a `FileNotFoundError` too.
    LaunchError
        If ranks differ in what they were given.
    NonFiniteError
        If the loss becomes infinite or no number.
    KeyboardInterrupt, StoppedError
        After Ctrl-C, or another signal to stop; the state is in `out`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> result = train({"model": {"hidden": [8]}, "train": {"epochs": 3}}, data=(x, x**2))
    >>> len(result.history["valid_loss"]), result.model.predict(x[:2]).shape
    (3, (2,))
    """
    run = training(
        config,
        data=data,
        valid=valid,
        out=out,
        threads=threads,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
        start=start,
    )
    with stop_signals_wait():  # between two reports nobody listens
        for _ in run:
            pass
    return run.result


def training(
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    valid: Any = None,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    start: Any = None,
) -> Training:
    """Return an iterator of reports that trains while it is iterated over; stop whenever you like.

    Errors are those of `train`. After the loop, ``.result`` holds the same as `train` returns.

    Parameters
    ----------
    config, data, valid, out, threads, resume, overwrite, progress, start
        As of `train`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> run = training({"model": {"hidden": [8]}, "train": {"epochs": 100}}, data=(x, x**2))
    >>> for report in run:
    ...     if report.epoch == 2:
    ...         break
    >>> run.result.status, len(run.result.history["epoch"]) >= 2
    ('stopped', True)
    """
    with as_python_errors():
        known, earlier, opener = problem_of(config_of(config, start), data, valid)
        known, model = starting_from(known, start)
        earlier = earlier and starting_from(earlier, start)[0]
        if resume and out is None:
            raise UsageError("resume goes on with the run in a directory; give out=")
        if resume and overwrite:
            raise UsageError("resume goes on with a run and overwrite replaces it; give one of them")
        options = RunOptions(
            Path(out or ""),
            resume=resume,
            overwrite=overwrite,
            threads=threads_of(threads),
            earlier=earlier if resume else None,
            keeps_files=out is not None,
            start=model,
        )
    return Training(reports_of(known, options, opener, progress))
