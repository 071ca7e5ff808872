"""One token, one start: whoever comes first has it, and the others know."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ddp_mlp.service.running.claims import is_alive, read_claim, read_end, revoke, take, write_end
from ddp_mlp.service.running.standing import Phase, standing_of


def test_a_start_is_had_once(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: (take if n % 2 else revoke)(tmp_path, "t"), range(32)))
    assert sum(got) == 1
    assert read_claim(tmp_path, "t") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["start-t.json"]  # whole, and nothing beside it


def test_a_claim_is_that_of_a_process_and_no_other(tmp_path: Path):
    assert take(tmp_path, "t")
    claim = read_claim(tmp_path, "t")
    assert claim is not None
    assert claim.pid == os.getpid()
    assert is_alive(claim)
    for other in (
        replace(claim, started=claim.started + 1),  # its id was used again
        replace(claim, boot="another"),  # the machine was started anew
        replace(claim, host="elsewhere"),
        replace(claim, pid=2**22 + 1),
    ):
        assert not is_alive(other)


def test_a_dead_child_that_nobody_has_buried_is_dead(tmp_path: Path):
    script = (
        f"from pathlib import Path; from ddp_mlp.service.running.claims import take; take(Path({str(tmp_path)!r}), 't')"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while (claim := read_claim(tmp_path, "t")) is None or is_alive(claim):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert child.poll() is None or child.returncode == 0
    child.wait()


def test_each_window_of_a_start_is_recognised(tmp_path: Path):
    run = tmp_path / "run"
    assert standing_of(tmp_path, "t", run).phase is Phase.UNCLAIMED
    assert take(tmp_path, "t")
    assert standing_of(tmp_path, "t", run).phase is Phase.RUNNING
    write_end(tmp_path, "t", 75)
    ended = standing_of(tmp_path, "t", run)
    assert (ended.phase, ended.code) == (Phase.ENDED, 75)
    assert read_end(tmp_path, "other") is None
    assert revoke(tmp_path, "u")
    assert standing_of(tmp_path, "u", run).phase is Phase.REVOKED
    assert not take(tmp_path, "u")


def test_a_process_that_died_is_asked_for_by_the_files_of_its_run(tmp_path: Path):
    run, claim = tmp_path / "run", tmp_path / "start-t.json"
    (run / "checkpoints").mkdir(parents=True)
    (run / "status.json").write_text('{"state": "finished", "exit_code": 0}')
    os.utime(run / "status.json", ns=(1, 1))
    claim.write_text('{"pid": 1, "started": 0, "boot": "gone", "host": "gone"}')
    died = standing_of(tmp_path, "t", run)
    assert (died.phase, died.code, died.rebooted) == (Phase.DIED, None, True)  # that was an earlier start's word
    (run / "status.json").write_text('{"state": "target-reached"}')
    assert standing_of(tmp_path, "t", run).code == 0
    (run / "status.json").write_text('{"state": "running", "exit_code": 0}')
    assert standing_of(tmp_path, "t", run).code is None
