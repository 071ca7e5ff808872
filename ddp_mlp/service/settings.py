"""The settings of a service, and where it keeps its own files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

#: Folder of the service within its directory; nobody else may look into it.
FOLDER = ".service"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765


@dataclass(frozen=True)
class Settings:
    """The settings of a service.

    Attributes
    ----------
    directory : Path
        Where runs, data and the store are; resolved.
    data : tuple of Path
        Further directories whose files may be trained on; resolved.
    cores : int
        That all jobs share.
    memory_bytes : int
        That all jobs share.
    host, port : str, int
        Where it listens; port 0 lets the system choose.
    hosts : tuple of str
        Further names by which it may be asked for, such as that of a proxy.
    read_only : bool
        Whether every change is refused.
    slurm : bool
        Whether jobs go to Slurm instead of the cores of this machine.
    certificate, key : Path or None
        For HTTPS.
    max_restarts : int
        How often a job is started again after failures in a row that saved nothing new.
    most_upload_bytes : int
    """

    directory: Path
    data: tuple[Path, ...] = ()
    cores: int = 1
    memory_bytes: int = 2**33
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    hosts: tuple[str, ...] = ()
    read_only: bool = False
    slurm: bool = False
    certificate: Path | None = None
    key: Path | None = None
    max_restarts: int = 3
    most_upload_bytes: int = 2**30
    slurm_options: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Files of the service itself."""
        return self.directory / FOLDER

    @property
    def uploads(self) -> Path:
        """Files that were sent, until they are read."""
        return self.folder / "uploads"

    @property
    def runs(self) -> Path:
        """Run directories of the jobs."""
        return self.directory / "runs"

    @property
    def imported(self) -> Path:
        """Data sets that were made of files that were sent."""
        return self.directory / "data"

    @property
    def roots(self) -> tuple[Path, ...]:
        """Directories whose files may be read."""
        return (self.directory, *self.data)

    def job_folder(self, job_id: int) -> Path:
        """Files of a job beside its run directory: its configuration, its starts, its output."""
        return self.folder / "jobs" / str(job_id)

    def make_folders(self) -> None:
        """Make the folders of the service, which only its user may enter."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.folder / "jobs", self.uploads):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.runs.mkdir(exist_ok=True)
