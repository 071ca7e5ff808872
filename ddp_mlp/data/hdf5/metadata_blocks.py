"""Blocks of metadata that libhdf5 cannot be given as they are: each is looked at when libhdf5 reads it.

libhdf5 (seen in 2.0.0) goes round for ever in a heap with an object of size zero, walks a tree again and again whose
branches grow together, divides by a size of zero, and looks for shared attributes in a heap that is not there. A
program cannot get out of any of that.

Source: "HDF5 File Format Specification", version 3.0, sections III.A "Disk Format: Level 1A1 - Version 1 B-trees",
III.A.2 "Version 2 B-trees", III.E "Global Heap".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from ddp_mlp.errors import DataError

#: Returns the bytes of the file at a position, as many as asked for or up to its end.
Content: TypeAlias = Callable[[int, int], bytes]

_HEAP, _TREE, _TREE2, _INNER2, _LEAF2 = b"GCOL", b"TREE", b"BTHD", b"BTIN", b"BTLF"
_MAGIC_BYTES = 4

_HEAP_HEADER_BYTES = 16
_OBJECT = struct.Struct("<HHIQ")

_NODE = struct.Struct("<4sBBH16x")
_ADDRESS_BYTES = 8
_MOST_DIMENSIONS = 33  # of a chunk, with that of its elements

_TREE2_HEADER = struct.Struct("<4sBBIHH")
_MOST_DEPTH = 16
_LEAST_NODE_BYTES, _MOST_NODE_BYTES = 64, 2**20
# Sizes of records by their kind: large objects of a heap (1 to 4), links, attributes, and chunks of n dimensions.
_RECORD_BYTES: Mapping[int, Collection[int]] = {
    1: (24,), 2: (36,), 3: (16,), 4: (28,), 5: (11,), 6: (15,), 8: (17,), 9: (13,),
    10: range(16, 8 + 8 * _MOST_DIMENSIONS, 8), 11: range(21, 20 + 8 * _MOST_DIMENSIONS),
}  # fmt: skip
_NODE2_HEADER_BYTES = 6
# Behind the address of a node stand how many records it has, and how many are below it, in as many bytes as it takes.
_CHILD_BYTES = range(_ADDRESS_BYTES + 1, _ADDRESS_BYTES + 12)
# In records of attributes by name, and by order: the flags of a message, of which one says that it is shared.
_ATTRIBUTE_KINDS, _FLAGS_AT, _SHARED = (8, 9), 8, 2


class BlockChecks:
    """The checks of the blocks of one file, whose addresses count from byte `base`."""

    def __init__(self, content: Content, where: str, base: int = 0) -> None:
        self._content = content
        self._where = where
        self._base = base
        self._good: set[int] = set()
        self._parents: dict[int, int] = {}
        self._record_bytes: dict[int, set[int]] = {}

    def check(self, block: memoryview, at: int) -> None:
        """Look at what libhdf5 has read at byte `at`, if it is a block of a kind that can do harm.

        Raises
        ------
        DataError
            If it is damaged.
        """
        looks = {
            _HEAP: self._heap, _TREE: self._node, _TREE2: self._tree2, _INNER2: self._inner2, _LEAF2: self._leaf2,
        }  # fmt: skip
        look = looks.get(bytes(block[:_MAGIC_BYTES]))
        if look is None or at in self._good:
            return
        reason = look(bytes(block), at)
        if reason:
            raise DataError(f"{self._where}: {reason}; the file is damaged, write or fetch it again")
        self._good.add(at)

    def _heap(self, block: bytes, start: int) -> str:
        """Walk the objects of a global heap, each of which tells the size to the next."""
        heap = self._content(start, int.from_bytes(block[8:_HEAP_HEADER_BYTES], "little"))
        at = _HEAP_HEADER_BYTES
        while at + _OBJECT.size <= len(heap):
            index, _, _, size = _OBJECT.unpack_from(heap, at)
            # Free space (index 0) counts its header in, an object does not and is padded to eight.
            step = size if index == 0 else _OBJECT.size + -(-size // 8) * 8
            if step == 0:
                return f"the heap at byte {start} is damaged (an object without size)"
            at += step
        return ""

    def _node(self, block: bytes, at: int) -> str:
        """Check that each node of a tree hangs on one branch only, below the one that names it."""
        if len(block) < _NODE.size:
            return f"the tree at byte {at} is cut"
        _, kind, level, n_children = _NODE.unpack_from(block)
        if level == 0:
            return ""
        # A key is a place in a heap of names, or the size, filters and place of a chunk.
        widths = (8,) if kind == 0 else tuple(8 + 8 * n for n in range(2, _MOST_DIMENSIONS + 1))
        read = [self._children(block, n_children, width) for width in widths]
        possible = [children for children in read if all(self._is_node(child, level - 1) for child in children)]
        return self._branches(possible, at)

    def _branches(self, possible: list[list[int]], at: int) -> str:
        """Check the children of a node, in each way in which it can be read."""
        for children in possible:
            if len(set(children)) < len(children) or any(self._parents.setdefault(c, at) != at for c in children):
                return f"the branches of the tree at byte {at} grow together"
        return "" if possible else f"the tree at byte {at} has branches that lead nowhere"

    def _children(self, block: bytes, n_children: int, width: int) -> list[int]:
        step = width + _ADDRESS_BYTES
        ends = range(_NODE.size + step, min(_NODE.size + n_children * step, len(block)) + 1, step)
        return [self._base + int.from_bytes(block[end - _ADDRESS_BYTES : end], "little") for end in ends]

    def _is_node(self, at: int, level: int) -> bool:
        head = self._content(at, _NODE.size)
        return len(head) == _NODE.size and head.startswith(_TREE) and head[5] == level

    def _tree2(self, block: bytes, at: int) -> str:
        """Check that the sizes in the header of a tree of version 2 can be."""
        if len(block) < _TREE2_HEADER.size:
            return f"the tree at byte {at} is cut"
        _, _, kind, node_bytes, record_bytes, depth = _TREE2_HEADER.unpack_from(block)
        self._record_bytes.setdefault(kind, set()).add(record_bytes)
        is_good = (
            _LEAST_NODE_BYTES <= node_bytes <= _MOST_NODE_BYTES
            and record_bytes in _RECORD_BYTES.get(kind, ())
            and depth <= _MOST_DEPTH
        )
        return "" if is_good else f"the tree at byte {at} is of no known kind, or has nodes of no possible size"

    def _leaf2(self, block: bytes, at: int) -> str:
        most = max((len(block) // n for n in self._record_bytes.get(block[5], ()) if n), default=0)
        return self._shared(block, most, at)

    def _inner2(self, block: bytes, at: int) -> str:
        """Check a node whose number of records its parent tells: as many as have addresses of nodes behind them."""
        possible = []
        for n_bytes in self._record_bytes.get(block[5], ()):
            for n_records in range((len(block) - _NODE2_HEADER_BYTES) // max(1, n_bytes)):
                begin = _NODE2_HEADER_BYTES + n_records * n_bytes
                if not self._is_node2(block, begin):
                    continue
                if reason := self._shared(block, n_records, at):
                    return reason
                for step in _CHILD_BYTES:
                    places = range(begin, begin + (n_records + 1) * step, step)
                    if all(self._is_node2(block, place) for place in places):
                        possible.append([self._address(block, place) for place in places])
        return self._branches(possible, at)

    def _address(self, block: bytes, place: int) -> int:
        return self._base + int.from_bytes(block[place : place + _ADDRESS_BYTES], "little")

    def _is_node2(self, block: bytes, place: int) -> bool:
        return self._content(self._address(block, place), _MAGIC_BYTES) in {_INNER2, _LEAF2}

    def _shared(self, block: bytes, n_records: int, at: int) -> str:
        """Check that no attribute is one that several objects share; files that share any are rare."""
        kind = block[5]
        if kind not in _ATTRIBUTE_KINDS:
            return ""
        for n_bytes in self._record_bytes.get(kind, ()):
            flags = block[_NODE2_HEADER_BYTES + _FLAGS_AT : _NODE2_HEADER_BYTES + n_records * n_bytes : n_bytes]
            if any(flag & _SHARED for flag in flags):
                return f"the attributes at byte {at} are shared with another object"
        return ""
