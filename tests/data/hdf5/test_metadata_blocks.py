"""Blocks of metadata that libhdf5 would never come back from, and those that only look like them."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from ddp_mlp.data.dataset.dataset import open_dataset
from ddp_mlp.data.hdf5.guard import open_readonly
from ddp_mlp.data.hdf5.nodes import Group, root
from ddp_mlp.errors import DataError
from tests.faults.hdf5_bytes import checked_spans, mended, positions


def tree_node(kind: int, level: int, children: list[int], key: int) -> bytes:
    pairs = b"".join(struct.pack("<QQ", key, child) for child in children)
    return struct.pack("<4sBBH", b"TREE", kind, level, len(children)) + b"\xff" * 16 + pairs + struct.pack("<Q", key)


def with_grown_tree(path: Path, depth: int, width: int) -> Path:
    """Write a group of no names whose tree has `width` branches at each of `depth` levels, all to the same node."""
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        file["g/a"] = 1
    content = bytearray(path.read_bytes())
    [old, leaf] = max(
        (at, int.from_bytes(content[at + 32 : at + 40], "little")) for at in positions(content, (b"TREE",))
    )
    content[leaf + 6 : leaf + 8] = b"\0\0"
    key, node = int.from_bytes(content[old + 40 : old + 48], "little"), old
    for level in range(1, depth + 1):
        content += bytes(-len(content) % 8)
        here = len(content)
        content += tree_node(0, level, [node] * width, key).ljust(544, b"\0")
        node = here
    place = content.find(old.to_bytes(8, "little"))  # in the group, and nowhere else before the new nodes
    while 0 <= place < old:
        content[place : place + 8] = node.to_bytes(8, "little")
        place = content.find(old.to_bytes(8, "little"), place + 8)
    content[40:48] = len(content).to_bytes(8, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("depth", "width"), [(1, 2), (12, 32), (200, 32)])
def test_branches_that_grow_together_are_refused(tmp_path, depth, width):
    """Each level multiplies the way: 32 to the power of 12 is for ever."""
    with open_readonly(with_grown_tree(tmp_path / "d.h5", depth, width)) as file:
        group = root(file).follow("g")
        assert isinstance(group, Group)
        with pytest.raises(DataError, match="grow together"):
            group.names(100)


@pytest.mark.parametrize("user_block", [0, 512, 2048])
@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_deep_trees_of_common_programs_are_read(tmp_path, rng, libver, user_block):
    """Addresses in a file with a user block, as MATLAB writes it, count from behind that."""
    values = rng.normal(size=(2000, 4))
    with h5py.File(tmp_path / "d.h5", "w", userblock_size=user_block, libver=(libver, "latest")) as file:
        file.create_dataset("X", data=values, chunks=(5, 2), compression="gzip")
        file.create_dataset("y", data=np.arange(2000) % 2, chunks=(3,), maxshape=(None,))
        for i in range(600):
            file.create_group(f"other {i}")
    with open_dataset(tmp_path / "d.h5") as dataset:
        np.testing.assert_array_equal(dataset.splits["train"].read(0, 2000).features, values)
    with open_readonly(tmp_path / "d.h5") as file:
        assert len(root(file).names(10_000)) == 602
        assert len(root(file).names(10)) == 10


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (10, b"\0\0"),
        (10, b"\x0c"),
        (5, b"\0"),
        (5, b"\7"),
        (5, b"\xff"),
        (6, bytes(4)),
        (6, b"\xff" * 4),
        (12, b"\xff\xff"),
    ],
)
def test_trees_with_nodes_of_no_possible_size_are_refused(tmp_path, at, value):
    """libhdf5 would divide by zero."""
    path = tmp_path / "d.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for i in range(40):
            file.create_group(f"g{i}")
    content, spans = bytearray(path.read_bytes()), checked_spans(path.read_bytes())
    tree = next(p for p in positions(content, (b"BTHD",)) if content[p + 5] == 5)  # of names
    content[tree + at : tree + at + len(value)] = value
    path.write_bytes(mended(content, spans))
    with open_readonly(path) as file, pytest.raises(DataError, match="no possible size"):
        root(file).names(100)


def test_names_that_are_no_text_are_listed(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.id.links.create_soft(b"\xff\xfe", b"nowhere")
        h5py.h5g.create(file.id, b"\xfe")
    with open_readonly(tmp_path / "d.h5") as file:
        names = root(file).names(10)
        assert [root(file).link_kind(name) for name in names] == ["hard", "soft"]
    with pytest.raises(DataError, match=r"no arrays named") as caught:
        open_dataset(tmp_path / "d.h5")
    str(caught.value).encode()


def test_a_file_that_is_read_again_and_again_is_refused(tmp_path):
    """As by thousands of texts, in turn from hundreds of heaps that lie over one another."""
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["X"] = np.zeros(10)
    with open_readonly(tmp_path / "d.h5") as file:
        file.watched.allow()
        for _ in range(file.watched.most_bytes // 2000):
            file.watched.content(0, 2000)
        with pytest.raises(DataError, match="again and again"):
            file.watched.content(0, 2000)


@pytest.mark.parametrize("size", [2, 4])
def test_addresses_of_other_sizes_are_refused(tmp_path, size):
    """Blocks are looked at as they are with addresses of eight bytes."""
    plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plist.set_sizes(size, size)
    h5py.h5f.create(bytes(tmp_path / "d.h5"), fcpl=plist).close()
    with pytest.raises(DataError, match="not of 8 bytes"):
        open_dataset(tmp_path / "d.h5")


def with_attributes(path: Path, n: int) -> tuple[bytearray, list[tuple[int, int]]]:
    with h5py.File(path, "w", libver="latest") as file:
        file["X"], file["y"] = np.zeros((4, 2)), np.array([0, 1, 0, 1])
        for i in range(n):
            file["y"].attrs[f"a{i}"] = i
    return bytearray(path.read_bytes()), checked_spans(path.read_bytes())


@pytest.mark.parametrize(("n", "magic"), [(12, b"BTLF"), (200, b"BTLF"), (200, b"BTIN")])
def test_attributes_that_are_shared_with_nobody_are_refused(tmp_path, n, magic):
    """libhdf5 would look for them in a heap that the file does not have."""
    path = tmp_path / "d.h5"
    content, spans = with_attributes(path, n)
    for node in positions(content, (magic,)):
        if content[node + 5] == 8:  # attributes by name
            content[node + 6 + 8] |= 2
    path.write_bytes(mended(content, spans))
    with pytest.raises(DataError, match="shared with another object"):
        open_dataset(path)


def test_branches_of_newer_trees_that_grow_together_are_refused(tmp_path):
    path = tmp_path / "d.h5"
    content, spans = with_attributes(path, 200)
    leaves = [at for at in positions(content, (b"BTLF",)) if content[at + 5] == 8]
    [inner] = [at for at in positions(content, (b"BTIN",)) if content[at + 5] == 8]
    for leaf in leaves:
        place = content.find(leaf.to_bytes(8, "little"), inner, inner + 512)
        if place >= 0:
            content[place : place + 8] = leaves[0].to_bytes(8, "little")
    path.write_bytes(mended(content, spans))
    with pytest.raises(DataError, match="grow together"):
        open_dataset(path)
