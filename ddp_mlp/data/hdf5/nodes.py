"""Groups of a file, and the way to what they hold: each link is looked at before it is followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddp_mlp.data.hdf5.arrays import Found, describe
from ddp_mlp.data.hdf5.guard import OpenFile, load_h5py
from ddp_mlp.errors import DataError, printable

if TYPE_CHECKING:
    from pathlib import Path

#: That one path may lead over, those behind others counted too.
_MOST_SOFT_LINKS = 16


@dataclass(frozen=True, eq=False)
class Group:
    """A group of an open file.

    Attributes
    ----------
    file : OpenFile
    name : str
        Absolute path in the file.
    """

    file: OpenFile
    name: str
    _id: Any

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def where(self) -> str:
        """``FILE:/path`` for messages, ``FILE`` for the root."""
        return str(self.path) if self.name == "/" else f"{self.path}:{printable(self.name)}"

    def link_kind(self, name: str) -> str | None:
        """Return "hard", "soft", "external" or "unknown" without following the link, None if there is none.

        It asks for the record of the link alone; to ask whether the name resolves would follow it.
        """
        h5l = load_h5py().h5l
        kinds = {h5l.TYPE_HARD: "hard", h5l.TYPE_SOFT: "soft", h5l.TYPE_EXTERNAL: "external"}
        encoded = name.encode("utf-8", "surrogateescape")
        if not encoded or b"\0" in encoded:
            return None
        with self.file.asking(self._place(name)):
            if not self._id.links.exists(encoded):
                return None
            kind = self._id.links.get_info(encoded).type
        return kinds.get(kind, "unknown")

    def names(self, most: int) -> list[str]:
        """Return the names of the links in this group in alphabetical order; of more than `most`, any so many."""
        names: list[str] = []

        def take(name: bytes | str) -> bool | None:
            names.append(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
            return True if len(names) >= most else None

        with self.file.asking(self.where):
            # In the order in which they lie: libhdf5 would gather all to sort them.
            self._id.links.iterate(take, order=load_h5py().h5.ITER_NATIVE)
        return sorted(names)

    def follow(self, path: str, *, soft: bool = False) -> Group | Found | None:
        """Return the group or array at `path` below this group; None if a part of it is missing or neither.

        Parameters
        ----------
        soft : bool
            Whether soft links, which name a place in the same file, are followed too.

        Raises
        ------
        DataError
            If a part of the path is an external or user-defined link, a soft one where these are not followed or
            one that leads nowhere or in a circle, or the file is damaged.
        """
        return self._follow(path, [_MOST_SOFT_LINKS if soft else 0])

    def _follow(self, path: str, links_left: list[int]) -> Group | Found | None:
        node: Group | Found | None = root(self.file) if path.startswith("/") and links_left[0] else self
        for part in (p for p in path.split("/") if p not in {"", "."}):
            if not isinstance(node, Group):
                return None
            kind = node.link_kind(part)
            if kind == "soft" and links_left[0]:
                node = node._behind(part, links_left)
            elif kind not in {"hard", None}:
                raise DataError(
                    f"{node._place(part)}: {kind} links are not allowed; copy the array itself into the file"
                )
            else:
                node = node.child(part) if kind else None
        return node

    def _behind(self, name: str, links_left: list[int]) -> Group | Found:
        """Return the node behind a soft link, found part by part as any path, so that libhdf5 follows no link."""
        target = self.soft_target(name)
        links_left[0] -= 1
        if not links_left[0]:
            raise DataError(f"{self._place(name)}: soft links that lead in a circle; write the array there itself")
        found = self._follow(target, links_left)
        if found is None:
            raise DataError(
                f"{self._place(name)}: a soft link to {printable(target)!r}, where there is nothing; write the array"
                " there, or delete the link"
            )
        return found

    def soft_target(self, name: str) -> str:
        """Return the path that a soft link holds."""
        encoded = name.encode("utf-8", "surrogateescape")
        with self.file.asking(self._place(name)):
            target = self._id.links.get_val(encoded)
        return target.decode("utf-8", "surrogateescape") if isinstance(target, bytes) else str(target)

    def child(self, name: str) -> Group | Found | None:
        """Return the group or array that a hard link leads to; None if it is neither."""
        h5py = load_h5py()
        path = f"{self.name.rstrip('/')}/{name}"
        with self.file.asking(self._place(name)):
            found = h5py.h5o.open(self._id, name.encode("utf-8", "surrogateescape"))
            if isinstance(found, h5py.h5d.DatasetID):
                return describe(self.file, path, found)
        return Group(self.file, path, found) if isinstance(found, h5py.h5g.GroupID) else None

    def _place(self, name: str) -> str:
        return f"{self.path}:{printable(self.name.rstrip('/') + '/' + name)}"


def root(file: OpenFile) -> Group:
    """Return the root group of a file."""
    with file.asking(str(file.path)):
        return Group(file, "/", load_h5py().h5g.open(file.handle.id, b"/"))
