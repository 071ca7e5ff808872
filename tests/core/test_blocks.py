"""Blocks: a cut of the vector that ends where segments end, shared out between workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.core.blocks import block_lengths, block_slices, block_table, layer_groups, with_places
from ddp_mlp.core.kernels.parallel.words import BLOCK
from ddp_mlp.core.layout import Layout

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=5).map(tuple)


@given(SIZES)
def test_blocks_cut_every_segment(sizes: tuple[int, ...]) -> None:
    layout = Layout(sizes)
    table = block_table(layout)
    edges = [0, *table.blocks[:, 1]]
    assert edges[:-1] == table.blocks[:, 0].tolist()
    assert edges[-1] == layout.n_parameters
    assert 0 < max(table.blocks[:, 1] - table.blocks[:, 0]) <= BLOCK
    for index, segment in enumerate(layout.segments()):
        first, last = table.segments[index]
        assert (table.blocks[first, 0], table.blocks[last - 1, 1]) == (segment.start, segment.stop)
        assert set(table.blocks[first:last, 2]) == {index}
        assert set(table.blocks[first:last, 3]) == {int("weight" in segment.name)}
    assert table.weights.tolist() == list(range(0, 2 * layout.n_layers, 2))


@given(SIZES, st.integers(1, 70))
def test_slices_part_the_blocks(sizes: tuple[int, ...], n_workers: int) -> None:
    blocks = block_table(Layout(sizes)).blocks
    slices = block_slices(block_lengths(blocks), n_workers)
    assert slices.shape == (n_workers, 2)
    assert [block for start, stop in slices for block in range(start, stop)] == list(range(len(blocks)))


@pytest.mark.parametrize("n_workers", [2, 3, 7])
def test_slices_are_fair_in_values(n_workers: int) -> None:
    blocks = block_table(Layout((784, 512, 512, 10))).blocks
    shares = [
        sum(blocks[start:stop, 1] - blocks[start:stop, 0])
        for start, stop in block_slices(block_lengths(blocks), n_workers)
    ]
    assert max(shares) - min(shares) <= 2 * BLOCK


def test_a_share_is_laid_end_to_end() -> None:
    blocks = block_table(Layout((50, 60, 40))).blocks  # of 1024, 1024, 952, 60, 1024, 1024, 352 and 40 values
    placed, owned = with_places(blocks, [(6, 8), (1, 3)])
    assert owned.tolist() == [6, 7, 1, 2]
    assert placed[:, :4].tolist() == blocks.tolist()
    assert placed[:, 4].tolist() == [-1, 392, 1416, -1, -1, -1, 0, 352]


@given(SIZES, st.integers(1, 4000))
def test_groups_of_layers_part_the_blocks_from_the_last_layer_on(sizes: tuple[int, ...], n_values: int) -> None:
    layout = Layout(sizes)
    table = block_table(layout)
    groups = layer_groups(layout, table, n_values)
    assert [layer for group in groups for layer in group.layers] == list(reversed(range(layout.n_layers)))
    edges = [len(table.blocks), *(group.blocks[0] for group in groups)]
    assert [group.blocks[1] for group in groups] == edges[:-1]
    assert edges[-1] == 0
    for group in groups[:-1]:
        assert block_lengths(table.blocks)[slice(*group.blocks)].sum() >= n_values


def test_tied_layers_are_one_group() -> None:
    layout = Layout((40, 30, 40), tied=True)
    (group,) = layer_groups(layout, block_table(layout), 1)
    assert group == ((0, 1), (0, len(block_table(layout).blocks)))
