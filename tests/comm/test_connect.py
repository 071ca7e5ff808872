"""A rank that is told to end before the ranks have met does not go to meet them."""

from __future__ import annotations

import signal
import socket
from importlib import import_module

import pytest

from ddp_mlp.comm import connect
from ddp_mlp.comm.connect import is_said_by_rank_0
from ddp_mlp.errors import StoppedError


@pytest.mark.parametrize("rank", [0, 1])
def test_told_to_end_before_the_world(monkeypatch, rank):
    monkeypatch.setattr(import_module("ddp_mlp.comm.connect"), "end_with_launcher", lambda _: None)
    here, there = socket.socketpair()
    environment = {"PMI_RANK": str(rank), "PMI_SIZE": "2", "PMI_FD": str(here.fileno())}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        signal.raise_signal(signal.SIGTERM)
        with here, there, pytest.raises(StoppedError, match="by SIGTERM before") as caught, connect(environment):
            pass
    finally:
        signal.sigtimedwait({signal.SIGTERM}, 1)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert is_said_by_rank_0(caught.value) == (rank != 0)
