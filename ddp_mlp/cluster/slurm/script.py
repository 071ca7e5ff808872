"""The text of a job script: a function of the job, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ddp_mlp.cluster.slurm.job import BatchJob, check_job

_RUN = """\
# When time is nearly over, or another job needs the nodes, the ranks are asked to stop: they
# save, and leave with code 75. What asks reaches this shell only, so it is passed on.
asked=()
child=
trap 'asked=(--asked); if [ -n "$child" ]; then kill -USR1 "$child" 2>/dev/null; fi' USR1 TERM

"""
_WAIT = """\
child=$!
if [ ${#asked[@]} -gt 0 ]; then kill -USR1 "$child"; fi
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do # a signal ends the wait, not the ranks
  wait "$child"
  code=$?
done
if [ "$code" -gt 128 ]; then # they may have ended while the signal was dealt with
  wait "$child"
  last=$?
  if [ "$last" -ne 127 ]; then code=$last; fi
fi

# All ranks are gone. If they were stopped, this job goes back into the queue, and goes on.
trap '' USR1 TERM
"""


def script_text(job: BatchJob) -> str:
    """Return the sbatch script of a job.

    Raises
    ------
    UsageError
        If the job cannot mean anything.
    """
    check_job(job)
    parts = [_directives(job), "set -u\n", *([line + "\n" for line in job.before]), _what(job), _environment(job)]
    return "\n".join(part for part in parts if part) + "\n" + _RUN + _command(job) + _WAIT + _requeue(job)


def _directives(job: BatchJob) -> str:
    last = len(job.configs) - 1
    array = job.seeds or (f"0-{last}" if last else "")
    log = "slurm-%A_%a.out" if job.is_array else "slurm-%j.out"
    options = {
        "job-name": job.name,
        "array": array,
        "nodes": job.nodes,
        "ntasks-per-node": str(job.ntasks_per_node),
        "cpus-per-task": str(job.cpus_per_task),
        "time": job.time,
        "partition": job.partition,
        "account": job.account,
        "output": str(Path(job.run_directory) / log),
        "open-mode": "append",
        "signal": f"B:USR1@{job.notice}",
    }
    lines = [f"#SBATCH --{key}={quote(value)}" for key, value in options.items() if value]
    further = [pair.partition("=") for pair in job.sbatch]
    lines += [f"#SBATCH --{key}{equals}{quote(value) if equals else ''}" for key, equals, value in further]
    return "\n".join(["#!/bin/bash", *lines, "#SBATCH --requeue", ""])


def _what(job: BatchJob) -> str:
    """Return the lines that choose configuration and run directory."""
    base = quote(job.run_directory)
    if job.seeds:
        return f"config={quote(job.configs[0])}\nseed=$SLURM_ARRAY_TASK_ID\nrun_dir={base}/seed-$seed\n"
    if len(job.configs) > 1:
        names = " ".join(quote(config) for config in job.configs)
        choice = 'config=${configs[SLURM_ARRAY_TASK_ID]}\nname=$(basename "$config")\n'
        return f"configs=({names})\n{choice}run_dir={base}/${{name%.*}}\n"
    return f"config={quote(job.configs[0])}\nrun_dir={base}\n"


def _environment(job: BatchJob) -> str:
    chosen = {
        **job.starter.environment,
        "DDP_MLP_THREADS_PER_RANK": str(job.cpus_per_task),
        "DDP_MLP_PROGRESS": "plain",
        "SRUN_CPUS_PER_TASK": str(job.cpus_per_task),  # since Slurm 22.05 srun no longer asks sbatch
    }
    return "".join(f"export {name}={quote(value)}\n" for name, value in chosen.items())


def _command(job: BatchJob) -> str:
    words = " ".join('"$SLURM_NTASKS"' if word == "$SLURM_NTASKS" else quote(word) for word in job.starter.words)
    overrides = [f"--set {quote(pair)}" for pair in job.overrides]
    overrides += ['--set "train.seed=$seed"'] if job.seeds else []
    own = [quote(argument) for argument in job.arguments]
    command = " ".join([quote(job.command), '"$config"', *own, '--out "$run_dir" --resume', *overrides])
    return f"{words} \\\n  {quote(job.python)} -m ddp_mlp \\\n  {command} </dev/null &\n"


def _requeue(job: BatchJob) -> str:
    options = f'--code "$code" "${{asked[@]}}" --max-restarts {job.max_restarts}'
    return f'exec {quote(job.python)} -m ddp_mlp \\\n  slurm requeue "$run_dir" {options}\n'
