from __future__ import annotations

from pathlib import Path

from ddp_mlp.comm.leftovers import mapped_segments

MAPS = """\
5566-5577 r-xp 00000000 08:01 12   /usr/bin/python3.11
7f00-7f01 rw-s 00000000 00:1b 124                        /dev/shm/mpich_shm_945eb647_0
7f01-7f02 rw-s 00100000 00:1b 124                        /dev/shm/mpich_shm_945eb647_0
7f02-7f03 rw-s 00000000 00:1b 125                        /dev/shm/mpich_shm_3b85cd88_1 (deleted)
7f03-7f04 rw-s 00000000 00:1b 126                        /dev/shm/somebody_elses
7f04-7f05 rw-p 00000000 00:00 0
"""


def test_only_segments_of_mpich_that_have_a_name():
    assert mapped_segments(MAPS) == {Path("/dev/shm/mpich_shm_945eb647_0")}  # noqa: S108 - a name, not a use
