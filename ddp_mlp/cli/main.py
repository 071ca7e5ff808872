"""The command group, and how an error becomes one line and an exit code."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ddp_mlp.cli.options import tell
from ddp_mlp.cli.streams import open_streams
from ddp_mlp.comm import is_said_by_rank_0
from ddp_mlp.comm.launcher import is_rank_of_several, launcher_rank
from ddp_mlp.errors import DdpMlpError, StoppedError, StorageError, literal
from ddp_mlp.unforeseen import plain_error, shows_tracebacks, traceback_of

#: Where each command lives. Modules are imported when their command runs, so that
#: ``--help`` costs nothing and never starts MPI.
COMMANDS = {
    "demo": ("ddp_mlp.cli.commands.demo", "Train on handwritten digits with two ranks, right now."),
    "doctor": ("ddp_mlp.cli.commands.doctor", "Look whether this machine is fit to train, and what to do."),
    "compile": ("ddp_mlp.cli.commands.compile", "Compile the kernels ahead of time, for images and sites."),
    "data": ("ddp_mlp.cli.commands.data", "Make, import and inspect data sets."),
    "config": ("ddp_mlp.cli.commands.config", "Begin, look at and describe configurations."),
    "train": ("ddp_mlp.cli.commands.train", "Train the network that a configuration describes."),
    "plan": ("ddp_mlp.cli.commands.plan", "Measure this machine and predict step times on many ranks."),
    "launch": ("ddp_mlp.cli.commands.launch", "Start a command on several ranks of this machine."),
    "slurm": ("ddp_mlp.cli.commands.slurm", "Write, submit and follow jobs of a cluster."),
    "cross-validate": ("ddp_mlp.cli.commands.cross_validate", "Train on each of k folds and report mean and spread."),
    "search": ("ddp_mlp.cli.commands.search", "Try combinations of configuration values and rank them."),
    "ensemble": ("ddp_mlp.cli.commands.ensemble", "Train several seeds whose mean answers, with a spread."),
    "serve": ("ddp_mlp.cli.commands.serve", "Serve a queue of jobs, a page and an HTTP API."),
    "submit": ("ddp_mlp.cli.commands.jobs", "Submit a job to a service."),
    "jobs": ("ddp_mlp.cli.commands.jobs", "List, follow, stop and resume jobs of a service."),
    "gradcheck": ("ddp_mlp.cli.commands.gradcheck", "Compare the gradient of a network with slopes of its loss."),
    "evaluate": ("ddp_mlp.cli.commands.evaluate", "Measure a model on a data set."),
    "runs": ("ddp_mlp.cli.commands.runs", "List the runs below a directory: state, best scores, what differs."),
    "report": ("ddp_mlp.cli.commands.report", "Show runs as one page: curves, settings, how to run them again."),
    "log-to": ("ddp_mlp.cli.commands.log_to", "Hand runs on to MLflow."),
    "compare": ("ddp_mlp.cli.commands.compare", "Tell whether two runs have the same bits, and where not."),
    "checkpoint": ("ddp_mlp.cli.commands.checkpoint", "List, show and verify checkpoints."),
    "predict": ("ddp_mlp.cli.commands.predict", "Write a model's answers to a file."),
    "export": ("ddp_mlp.cli.commands.export", "Write a model for other programs: ONNX, PyTorch, C, scikit-learn."),
    "import-model": ("ddp_mlp.cli.commands.import_model", "Make a model of one of PyTorch or scikit-learn."),
    "completion": ("ddp_mlp.cli.commands.completion", "Let Tab complete commands and options in your shell."),
}

#: The commands as help shows them, in the order of use; what stands in none of them comes last.
GROUPS = {
    "Begin": ("demo", "doctor", "compile", "completion"),
    "Data": ("data",),
    "Train": ("config", "train", "launch", "slurm", "plan"),
    "Study": ("search", "cross-validate", "ensemble"),
    "Look": ("runs", "report", "compare", "checkpoint", "gradcheck", "log-to"),
    "Use": ("evaluate", "predict", "export", "import-model"),
    "Serve": ("serve", "submit", "jobs"),
}
_EXAMPLES = (
    ("ddp-mlp demo --open", "a whole run in under a minute, with its report"),
    ("ddp-mlp data import table.csv --target price --out houses.h5", "a table becomes a data set"),
    ("ddp-mlp config init houses.h5 --out houses.toml", "a commented configuration that fits it"),
    ("ddp-mlp launch -n 4 train houses.toml", "train on four ranks"),
    ("ddp-mlp report runs/houses --open", "curves, answers, data and ranks on one page"),
    ("ddp-mlp predict runs/houses new.csv --out answers.csv", "use it"),
)


#: The error of a group without a command, whose text is the help; click 8.1 has none and prints that itself.
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
#: What commands are called elsewhere, and commands of groups.
_SYNONYMS = {
    "help": "--help", "version": "--version", "ui": "serve", "server": "serve", "queue": "jobs list", "ps": "jobs list",
    "fit": "train", "run": "train", "learn": "train", "test": "evaluate", "eval": "evaluate", "score": "evaluate",
    "infer": "predict", "apply": "predict", "cv": "cross-validate", "crossval": "cross-validate", "tune": "search",
    "grid": "search", "sweep": "search", "hpo": "search", "mpirun": "launch", "mpiexec": "launch", "diff": "compare",
    "init": "config init", "schema": "config schema", "show": "config show", "import": "data import",
    "convert": "data import", "inspect": "data inspect", "info": "data inspect", "make": "data make",
    "list": "checkpoint list", "verify": "checkpoint verify", "status": "slurm status",
    "check": "doctor", "example": "demo", "ls": "runs", "history": "runs", "plot": "report", "gradient": "gradcheck",
    "mlflow": "log-to mlflow", "wandb": "log-to mlflow",
}  # fmt: skip


def _suggested(word: str) -> str:
    """Return which command a word can mean, as a part of a sentence; empty if none."""
    if word == "ddp-mlp":
        return "; leave that word out"
    if re.fullmatch(r"python[0-9.]*|.*\.py", word):
        return "; a script is started by mpiexec: mpiexec -n 2 python SCRIPT"
    close = difflib.get_close_matches(word[:40].lower(), [*COMMANDS, *_SYNONYMS], n=1)
    meant = _SYNONYMS.get(close[0], close[0]) if close else ""
    if word.lower().endswith(".toml"):
        meant = f"train {literal(word)[1:-1]}"
    return f"; did you mean: ddp-mlp {meant}" if meant else ""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that a command line names; say which one can be meant if there is none."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(f"No such command {literal(args[0])}{_suggested(args[0])}", ctx)
        return click.Group.resolve_command(self, ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        grouped = {name for names in GROUPS.values() for name in names}
        for title, names in {**GROUPS, "Others": tuple(name for name in COMMANDS if name not in grouped)}.items():
            if lines := [(name, COMMANDS[name][1]) for name in names if name in COMMANDS]:
                with formatter.section(title):
                    formatter.write_dl(lines)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lines that people type most."""
        with formatter.section("Examples"):
            for line, meaning in _EXAMPLES:
                formatter.write(
                    f"{'':{formatter.current_indent}}{line}\n{'':{formatter.current_indent + 4}}{meaning}\n"
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without importing them."""
        found = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ddp-mlp", prog_name="ddp-mlp")
def cli() -> None:
    """Train multi-layer perceptrons on one core or many, to the same bits."""


def run() -> None:
    """Run the command line; an error becomes one line on standard error and an exit code.

    Every rank of a launcher comes here. What all of them know, only rank 0 says; but variables of a
    launcher are no ranks yet, and a process that may be alone is never silent.
    """
    below = open_streams()
    is_other_rank = is_rank_of_several(os.environ) and launcher_rank(os.environ) > 0
    if is_other_rank:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    try:
        code = cli.main(prog_name="ddp-mlp", standalone_mode=False)
    except _NO_ARGUMENTS as error:  # a command of a group is missing: these are all of them
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        # All ranks were given this command line. Rank 0 reports it with words and code: if another
        # rank failed first, Open MPI and srun would end the job before rank 0 has spoken.
        code = 0 if is_other_rank else _fail(_plain(error), error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = 130 if is_other_rank else _fail("interrupted", 130)
    except SystemExit as end:
        code = end.code
    except Exception as error:
        code = plain_error(error).exit_code if is_said_by_rank_0(error) else _report(error)
    sys.stdout.flush()
    if below.failure and not code:
        code = _fail(f"standard output: {below.failure.strerror}", StorageError.exit_code)
    sys.exit(code or 0)


def _report(error: Exception) -> int:
    """Say in one line what ended the command; where this program is to blame, on request, from where."""
    if shows_tracebacks() and not isinstance(error, DdpMlpError):
        tell(traceback_of(error))
    plain = plain_error(error)
    if isinstance(plain, StoppedError):  # as asked
        tell(str(plain))
        return plain.exit_code
    return _fail(str(plain), plain.exit_code)


def _fail(message: str, code: int) -> int:
    tell(f"error: {message}")
    return code


def _plain(error: click.ClickException) -> str:
    """Return the mistake in a command line, and where help is, in one line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ddp-mlp"
    key = _as_key(error.option_name, context) if isinstance(error, click.NoSuchOption) else ""
    return f"{error.format_message().rstrip('.')}{key}; see {command} --help"


def _as_key(option: str, context: click.Context | None) -> str:
    """Return how a key of the configuration is set that is given as an option, as a part of a sentence."""
    takes_keys = context and any("--set" in parameter.opts for parameter in context.command.params)
    if not takes_keys:
        return ""
    from ddp_mlp.config.suggestions import homes

    found = homes(option.lstrip("-").replace("-", "_"))
    return f"; a key of the configuration is set by --set {found[0]}=VALUE" if found else ""
