"""Processes for trials: they start early, end with their pool, and one that has gone is replaced."""

from __future__ import annotations

from ddp_mlp.comm import SingleProcess
from ddp_mlp.run.options import RunOptions
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.execution.pool import Processes
from ddp_mlp.study.sampler import Listed
from ddp_mlp.study.study import Study


def test_one_that_has_gone_is_replaced_when_the_next_study_begins(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[data]\ntrain = "rows.h5"\n')
    study = Study(Listed([]), Configurations(config, (), SingleProcess()), RunOptions(tmp_path), str)
    with Processes(config, (), 2) as processes:
        gone = processes.workers.pop(1)
        gone.process.kill()
        gone.line.socket.close()
        gone.process.wait()
        for _ in range(2):  # the same processes for both
            processes.begin(study)
            for worker in processes.workers.values():
                assert worker.line.wait() == {"kind": "ready"}
                worker.line.send({"kind": "end"})
        ends = [worker.process for worker in processes.workers.values()]
    assert [process.returncode for process in ends] == [0, 0]


def test_those_that_nobody_needs_are_not_waited_for(tmp_path):
    with Processes(tmp_path / "none.toml", (), 2) as processes:
        ends = [worker.process for worker in processes.workers.values()]
    assert all(process.returncode is not None for process in ends)
