"""``model.h5`` of a run directory: at any time the best model of the newest checkpoint that is told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ddp_mlp.checkpoint.model import Model, is_same, load_model, model_image
from ddp_mlp.checkpoint.sealed_hdf5 import write_sealed
from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.core.layout import Floats
from ddp_mlp.durable import Check, set_aside
from ddp_mlp.errors import DdpMlpError, StorageError
from ddp_mlp.run.snapshot import Imprint


class ModelFile:
    """The file at `path`, whose only writer this process is."""

    def __init__(self, path: Path, imprint: Imprint, tell: Callable[[str], None], check: Check) -> None:
        self._path = path
        self._imprint = imprint
        self._tell = tell
        self._check = check
        self._epoch = 0  # of the model that this process has seen to be there
        self._identity: tuple[int, ...] = ()

    def restore(self, progress: Progress, best: Floats | None) -> None:
        """Make it the best model of the state that a run goes on from, whatever is there.

        Raises
        ------
        StorageError, DataError
            If it cannot be written, or does not read back.
        """
        if best is None:
            self._remove()
            return
        model = self._imprint.model(best, progress.best_row)
        fault, is_good = self._compare(model)
        if is_good:
            self._note(model)
        else:
            self._write(model)
        if fault:
            self._tell(f"warning: {fault}; it is now the best one so far, of epoch {model.epoch}")

    def keep(self, progress: Progress, best: Floats | None) -> None:
        """Make it the best model so far, unless it is.

        Raises
        ------
        StorageError, DataError
            If it cannot be written, or does not read back; what was there stays.
        """
        if best is not None and (self._epoch != progress.best_epoch or self._identity != _identity(self._path)):
            self._write(self._imprint.model(best, progress.best_row))

    def _write(self, model: Model) -> None:
        write_sealed(self._path, model_image(model), self._check)
        self._note(model)

    def _note(self, model: Model) -> None:
        self._epoch, self._identity = model.epoch, _identity(self._path)

    def _compare(self, model: Model) -> tuple[str, bool]:
        """Return why the file has other weights than a model, and whether it is that model in all."""
        try:
            found = load_model(self._path, follow=False)
        except DdpMlpError as error:
            return str(error), False
        if (found.epoch, found.parameters.tobytes()) != (model.epoch, model.parameters.tobytes()):
            return f"{self._path}: a model of epoch {found.epoch} that is not that of the checkpoint", False
        return "", not self._path.is_symlink() and is_same(found, model)

    def _remove(self) -> None:
        """Give the file another name: there is no best model yet."""
        if not os.path.lexists(self._path):
            return
        try:
            aside = set_aside(self._path, self._check)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot rename: {error.strerror}") from None
        self._tell(f"warning: {self._path} belongs to no checkpoint; it is kept as {aside.name}")


def _identity(path: Path) -> tuple[int, ...]:
    """Return the marks that tell a file from another one of its name; none where it is absent."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
