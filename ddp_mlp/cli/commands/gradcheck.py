"""``ddp-mlp gradcheck``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ddp_mlp.cli.options import json_option, print_json, tell


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of CONFIG.")
@json_option
def gradcheck(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Compare the gradient of CONFIG's network with slopes of its loss, layer by layer.

    In float64, on a few samples of its data. The exit code is 1 if one of them is wrong.
    """
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.config import load_config
    from ddp_mlp.engine.compilation import ready_kernels

    loaded = load_config(config, overrides)
    ready_kernels("float64", SingleProcess(), tell)
    from ddp_mlp.training.gradcheck import check_configuration

    checks = check_configuration(loaded)
    passed = all(check.passed for check in checks)
    if as_json:
        layers = [
            {"layer": f.name, "checked": f.n_checked, "kinks": f.n_kinks, "error": f.error, "passed": f.passed}
            for f in checks
        ]
        print_json({"passed": passed, "layers": layers})
    else:
        click.echo(f"{'layer':<16}{'checked':>9}{'kinks':>7}{'largest relative error':>24}  verdict")
        for f in checks:
            verdict = "right" if f.passed else "WRONG" if f.n_checked else "not checked"
            click.echo(f"{f.name:<16}{f.n_checked:>9}{f.n_kinks:>7}{f.error:>24.1e}  {verdict}")
    if not passed:
        sys.exit(1)
