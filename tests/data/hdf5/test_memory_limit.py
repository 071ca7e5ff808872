"""The bound on memory: kept in the block, gone behind it."""

from __future__ import annotations

import mmap
import resource
from threading import Thread

import pytest

from ddp_mlp.data.hdf5.memory_limit import limited_memory
from tests.faults.forks import in_child

MIB = 2**20


def take(n_bytes: int) -> None:
    """Take memory from the kernel; NumPy may find some that was freed."""
    mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_no_more_than_allowed_is_given():
    before = soft_limit()
    with limited_memory(64 * MIB):
        take(32 * MIB)
        with pytest.raises(OSError, match="Cannot allocate memory"):
            take(100 * MIB)
    assert soft_limit() == before
    take(100 * MIB)


def test_more_is_given_where_it_is_allowed():
    before = soft_limit()
    with limited_memory(64 * MIB) as limit:
        limit.allow(100 * MIB)
        take(100 * MIB)
        with pytest.raises(OSError, match="Cannot allocate memory"):
            take(200 * MIB)
    assert soft_limit() == before


def test_an_inner_block_gets_no_more_than_the_outer():
    with limited_memory(64 * MIB):
        outer = soft_limit()
        with limited_memory(1000 * MIB) as inner:
            inner.allow(1000 * MIB)
            with pytest.raises(OSError, match="Cannot allocate memory"):
                take(100 * MIB)
        assert soft_limit() == outer


def test_it_is_gone_after_an_error():
    before = soft_limit()
    with pytest.raises(KeyError), limited_memory(64 * MIB):
        raise KeyError
    assert soft_limit() == before


def test_threads_leave_no_limit_behind():
    before = soft_limit()

    def limit_often() -> None:
        for _ in range(200):
            with limited_memory(64 * MIB):
                pass

    threads = [Thread(target=limit_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert soft_limit() == before


def test_a_limit_of_the_user_stays():
    def action(_: int) -> int:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (2**40, hard))
        with limited_memory(2**50):
            inside = soft_limit()
        return 0 if inside == soft_limit() == 2**40 else 1

    assert in_child(action).code == 0
