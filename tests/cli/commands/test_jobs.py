"""``ddp-mlp submit --wait``: the output of a job, byte by byte, and its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ddp_mlp.cli.commands import jobs


class _Client:
    """Answers for a job that is over, its output cut within a letter."""

    def lines_of(self, path: str) -> Iterator[bytes]:
        assert path == "/api/v1/jobs/3/log?follow=1"
        text = "trained on größe.csv\n".encode()
        yield text[:14]
        yield text[14:]

    def ask(self, method: str, path: str) -> dict[str, object]:
        assert (method, path) == ("GET", "/api/v1/jobs/3")
        return {"id": 3, "state": "finished", "exit_code": 0, "name": "a", "run_dir": "runs/a", "reason": None}


def test_a_letter_that_comes_in_two_pieces_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        jobs._wait(_Client(), 3, as_json=True)
    assert not ended.value.code
    assert "trained on größe.csv\n" in capfd.readouterr().err
