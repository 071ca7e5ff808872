from __future__ import annotations

from benchmarks.scaling import layouts


def test_layouts_reach_twice_the_cores_and_have_enough_micro_batches():
    found = layouts(2, [8])
    assert found[:2] == [(1, 1, 1), (1, 1, 8)]
    assert {ranks * threads for ranks, threads, _ in found} == {1, 2, 4}
    assert all(m >= ranks * threads for ranks, threads, m in found)
    assert (2, 2, 4) in found
    assert len(found) == len(set(found))
