"""``ddp-mlp doctor``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import json_option, print_json

if TYPE_CHECKING:
    from ddp_mlp.cluster.doctor import Diagnosis


@click.command()
@click.option(
    "--run-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are kept."
)
@json_option
def doctor(run_dir: Path, as_json: bool) -> None:
    """Look whether this machine, this MPI and this Slurm are fit to train.

    Each line is ok, a warning or an error, with what to do about it; exit 1 on an error.
    Under a launcher, such as `srun ddp-mlp doctor`, it also tells whether the ranks meet.
    """
    from ddp_mlp.cluster.doctor import check_world, diagnose
    from ddp_mlp.comm.launcher import launcher_rank

    findings = list(check_world())
    is_first = launcher_rank(os.environ) == 0
    if is_first or not _is_fit(findings):  # who has met no other rank is not silent
        if not as_json:
            _print(findings)
        for finding in diagnose(run_dir) if is_first else ():
            findings.append(finding)
            if not as_json:
                _print([finding])
        if as_json:
            print_json({"fit": _is_fit(findings), "findings": [asdict(finding) for finding in findings]})
    sys.exit(0 if _is_fit(findings) else 1)


def _is_fit(findings: Iterable[Diagnosis]) -> bool:
    from ddp_mlp.cluster.doctor import ERROR

    return all(finding.level != ERROR for finding in findings)


def _print(findings: Iterable[Diagnosis]) -> None:
    for finding in findings:
        click.echo(f"{finding.level:<8} {finding.name:<14} {finding.found}")
        if finding.fix:
            click.echo(f"{'':<8} {'':<14} fix: {finding.fix}")
