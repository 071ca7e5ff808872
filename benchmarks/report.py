"""What a report costs the run that it is written of: a job on all cores, with and without reports beside it, in turn.

python -m benchmarks report [--rounds 5] [--seconds 10] [--every 0]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, process_time, sleep, thread_time

from benchmarks.endless import CONFIG, epochs_of
from benchmarks.machine import Watch, description
from benchmarks.reporting import markdown, save
from benchmarks.saving import make_rows
from ddp_mlp.comm.liveness.rank_status import RankStatus
from ddp_mlp.comm.liveness.rank_times import RankTimes

#: Without a report; as the command writes it; and by a process that takes what the machine gives it.
KINDS = ("none", "ddp-mlp report", "the same, giving way to nobody")
_RUDE = (
    "from pathlib import Path; from ddp_mlp.report.writing import write_report; write_report([Path('run')], "
    "Path('page.html'))"
)


def beside(folder: Path, kind: str, seconds: float, every: float) -> tuple[list[float], list[float]]:
    """Return the seconds of each epoch of the job meanwhile, and of each report that was written beside it."""
    command = [sys.executable, "-m", "ddp_mlp", "report", "run", "--out", "page.html"]
    if kind == KINDS[2]:
        command = [sys.executable, "-c", _RUDE]
    first, end, took = len(epochs_of(folder / "run")), monotonic() + seconds, []
    while (began := monotonic()) < end:
        if kind == KINDS[0]:
            sleep(end - began)
            continue
        # A session of its own, as that of another terminal is.
        subprocess.run(command, cwd=folder, check=True, capture_output=True, start_new_session=True)
        took.append(monotonic() - began)
        sleep(max(0.0, min(every - took[-1], end - monotonic())))
    return epochs_of(folder / "run")[first + 1 :], took


def looking(seconds: float) -> float:
    """Return the part of a core that the thread takes which looks at a rank."""
    with RankTimes(RankStatus()):
        began, before = monotonic(), process_time() - thread_time()
        while monotonic() < began + seconds:
            sum(range(1000))  # a rank that computes
        return (process_time() - thread_time() - before) / (monotonic() - began)


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind in each round")
    parser.add_argument("--every", type=float, default=0.0, help="seconds from one report to the next; 0: no rest")
    options = parser.parse_args(arguments)
    watch = Watch()
    epochs: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    reports: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_rows(folder)
        (folder / "c.toml").write_text(CONFIG)
        ranks = str(len(os.sched_getaffinity(0)))
        command = [sys.executable, "-m", "ddp_mlp", "launch", "-n", ranks, "train", "c.toml", "--out", "run"]
        quiet = subprocess.DEVNULL
        job = subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            while not (folder / "run/model.h5").exists() and job.poll() is None:
                sleep(0.5)
            for _ in range(options.rounds):
                for kind in KINDS:
                    meanwhile, took = beside(folder, kind, options.seconds, options.every)
                    epochs[kind].append(meanwhile)
                    reports[kind] += took
        finally:
            job.send_signal(signal.SIGTERM)
            job.wait()
    base = [statistics.fmean(part) for part in epochs[KINDS[0]]]
    rows = []
    for kind, parts in epochs.items():
        means = [statistics.fmean(part) for part in parts]
        ratios = [mean / alone for mean, alone in zip(means, base, strict=True)]
        took = f"{statistics.median(reports[kind]):.1f}" if reports[kind] else "-"
        middle = f"{statistics.median(ratios):.3f} [{min(ratios):.3f}..{max(ratios):.3f}]"
        rows.append([kind, f"{statistics.median(means) * 1e3:.2f}", middle, str(len(reports[kind])), took])
    head = ["reports beside it", "ms an epoch", "of none in the same round [range]", "reports", "s each"]
    share = looking(options.seconds)
    last = f"The thread that looks at each rank takes {100 * share:.2f} % of a core."
    text = "\n".join([description(), watch.verdict(), "", markdown(head, rows), "", last])
    save("report", text, {"epochs_s": epochs, "reports_s": reports, "looking": share})
