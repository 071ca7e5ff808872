"""The first moments of a process: what comes before it can hear a request."""

from __future__ import annotations

import signal
import sys

import pytest

from ddp_mlp import __main__ as main_module

_ASKING = {signal.SIGUSR1, signal.SIGTERM}


@pytest.mark.parametrize(("word", "held"), [("train", _ASKING), ("search", _ASKING), ("data", set()), ("", set())])
def test_commands_that_save_keep_requests_from_their_first_moment(monkeypatch, word, held):
    seen = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)

    def ready():
        seen.append(signal.getsignal(signal.SIGINT))
        return lambda: seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()) & _ASKING)

    monkeypatch.setattr(sys, "argv", ["ddp-mlp", word])
    monkeypatch.setattr(main_module, "_ready", ready)
    try:
        main_module.main()
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, usual)
    assert seen == [signal.SIG_DFL, held]  # no traceback of a Ctrl-C while importing


def test_an_interrupt_that_is_ignored_stays_so(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with main_module._silent_interrupt():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
