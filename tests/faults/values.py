"""Values beyond meaning: hostile configurations through ``train --dry-run``, in files, options and variables."""

from __future__ import annotations

import importlib
import json
import os
import random
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config.bounds import metas, words
from ddp_mlp.config.schema import is_table, keys, sections
from ddp_mlp.errors import MOST_OF_A_LINE
from tests.faults.table import Row
from tests.warm import Ended, command

_LATEST_S = 1.0
_MEMORY_BYTES = 2**29
_CODES = (0, 2, 66)
_MOST_OF_AN_ARGUMENT = 2**17 - 1  # what Linux hands to a program

#: Values of TOML, and what is nearly one, that no key or few keys can mean.
AWKWARD = (
    # integers: signs, the edges of every size, more digits than Python reads
    "0", "-1", "+5", "-0", "007", "1_000", "2147483648", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "-9223372036854775809", str(2**70), "9" * 400, "9" * 5000, "-" + "9" * 5000,
    "0x" + "f" * 5000, "0b" + "1" * 20_000, "0o7", "1" + "0" * 400, "1e" + "9" * 5000,
    # floats: not finite, subnormal, negative zero, whole, nearly right
    "0.0", "-0.0", "nan", "-nan", "inf", "-inf", "1e400", "1e308", "1e-300", "5e-324", "-5e-324", "1e-30", "0.5", "1.0",
    "10.0", "1e1", ".5", "1.", "1,5", "0." + "3" * 5000, "1e300", "-1e300",
    # booleans, words
    "true", "false", "True", "none", "auto", '"auto"', '"none"', '"true"', '"10"', '"relu"', '"full"',
    # texts: empty, long, NUL, surrogates, escape sequences, paths
    '""', '" "', '"' + "x" * 100_000 + '"', "'" + "a/" * 50_000 + "'", r'"\u0000"', r'"a\u0000b"', r'"\ud800"',
    r'"\U0010ffff"', r'"\u001b[2J"', r'"\n"', '"~nobody-here/x.h5"', '"~/x.h5"', '"~"', '"/dev/zero"', '"é\u202e"',
    '"""\nlines\n"""', "'''''", '"unfinished', "'", '"\\', '"' + "\\n" * 50_000 + '"',
    # dates
    "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "1979-13-40", "9999-12-31T23:59:60Z",
    # lists and tables: empty, mixed, long, deep
    "[]", "[[]]", "[1]", "[0]", "[true]", '["relu"]', '["x", 1]', "[1e400]", "[nan]", "[[1, 2], [3]]", "[{}]", "{}",
    "{a = 1}", "[" + "1, " * 50_000 + "]", "[" + "0.5, " * 50_000 + "]", '["relu", ' * 3 + "]" * 3, "[" * 5000,
    "[" * 5000 + "]" * 5000, "[" * 7 + "]" * 7, "{a = " * 5000 + "1" + "}" * 5000, "{" + "a." * 5000 + "a = 1}",
    "[1, 2", "[1 2]", "", "=", "#", "\x00", "[100000000000, 1]", "[10000000, 10000000, 10000000]",
    "[1152921504606846976]",
)  # fmt: skip

#: Whole texts, and parts that are put somewhere into one.
_STRUCTURES = (
    "[data]\n", "[[data]]\n", "[train]\n[train]\n", "[data.train]\n", "data = 3\n", "[data.augment.noise]\n",
    "[[data.augment]]\n", "data.augment.noise = 1\n", "data.augment = 5\n", "train.epochs = 3\n",
    "[tran]\nepochs = 3\n",
    "[]\n", "[ ]\n", '[""]\n', '"" = 1\n', "[a.b.c.d]\n", ".".join("a" * 5000) + " = 1\n",
    "[" + ".".join("a" * 5000) + "]\n",
    "[" + "a" * 100_000 + "]\n", "b" * 100_000 + " = 1\n", "".join(f"k{i} = 1\n" for i in range(30_000)),
    "".join(f"[s{i}]\n" for i in range(30_000)), "[[a]]\n" * 30_000, "#" * 200_000 + "\n",
    "\n" * 200_000, " " * 200_000,
    "\ufeff", "\r\n", "\r", "\x00", "\x1b[2J\n", "epochs = 1\nepochs = 2\n", "\u202e = 1\n", '"\\u0000" = 1\n', "= 3\n",
    "a = 1 b = 2\n", "'''", '"""', "<<<<<<< HEAD\n", "{}\n", "---\nyaml: 1\n", "include = 'x'\n",
    "\ud7ff\U0010ffff = 1\n",
)  # fmt: skip


def all_keys() -> list[tuple[str, str]]:
    """Return section and name of every key, those of tables in sections too."""
    return [pair for section, kind in sections().items() for pair in _keys_of(section, kind)]


def _keys_of(section: str, kind: Any) -> Iterator[tuple[str, str]]:
    for key, value in keys(kind).items():
        yield from _keys_of(f"{section}.{key}", value) if is_table(value) else [(section, key)]


def edges(section: str, key: str) -> list[str]:
    """Return the words and bounds of a key as TOML, and what is just beyond."""
    kind: Any = sections()[section.partition(".")[0]]
    for part in [*section.split(".")[1:], key]:
        kind = keys(kind)[part]
    found = [json.dumps(word) for word in words(kind)] + ["true", "false"]
    for meta in metas(kind):
        bounds = [bound for bound in (meta.ge, meta.gt, meta.le, meta.lt) if bound is not None]
        found += [
            repr(near) for bound in bounds for near in (bound, bound - 1, bound + 1, bound * 2, bound * (1 + 1e-9))
        ]
    return [*found, *(f"[{value}]" for value in found)]


def valid_text(rng: random.Random) -> dict[str, dict[str, str]]:
    """Return sections of keys and values of a configuration that loads."""
    optimizer, schedule = rng.choice(list(OPTIMIZERS)), rng.choice(list(SCHEDULES))
    text = {
        "data": {"train": '"m.h5"'},
        "model": {"hidden": "[4, 4]", "activation": '["relu", "tanh"]'},
        "optimizer": {"name": f'"{optimizer}"', "learning_rate": "0.1"},
        "schedule": {"name": f'"{schedule}"', "warmup_steps": "10"},
        "train": {"epochs": "2", "global_batch_size": '"full"', "micro_batches": "4"},
        "checkpoint": {"keep": "3"},
    }
    if "every_steps" in SCHEDULES[schedule].keys:
        text["schedule"]["every_steps"] = "5"
    return text


def _as_text(tables: dict[str, dict[str, str]]) -> str:
    return "".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in table.items()) for name, table in tables.items())


class Case:
    """One hostile configuration: the bytes of its file, options and variables."""

    def __init__(self, number: int, seed: int) -> None:
        rng = random.Random(f"{seed} {number}")  # noqa: S311 - faults, not secrets
        tables, self.options, self.variables = valid_text(rng), list[str](), dict[str, str]()
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            section, key = rng.choice(all_keys())
            value = rng.choice(AWKWARD if rng.randrange(3) else edges(section, key))
            way = rng.randrange(6) if len(value) < _MOST_OF_AN_ARGUMENT - 100 and "\0" not in value else 9
            if way == 0:
                self.options += ["--set", f"{section}.{key}={value}"]
            elif way == 1:
                self.variables[f"DDP_MLP_{section.replace('.', '_')}_{key}".upper()] = value
            else:
                tables.setdefault(section, {})[key] = value
        content = _as_text(tables)
        if rng.randrange(4) == 0:
            at = rng.choice(
                [0, len(content), content.find("[", 1), content.find("\n") + 1, rng.randrange(len(content))]
            )
            content = content[:at] + rng.choice(_STRUCTURES) + content[at:]
        self.content = content.encode()
        if rng.randrange(12) == 0:
            self.content = _mutated(self.content, rng)

    def __str__(self) -> str:
        return f"{self.options} {self.variables}: {self.content[:300]!r}"


def _mutated(content: bytes, rng: random.Random) -> bytes:
    image = bytearray(content)
    for _ in range(rng.choice((1, 3, 20))):
        at = rng.randrange(len(image))
        kind = rng.randrange(4)
        if kind == 0:
            image[at] = rng.randrange(256)
        elif kind == 1:
            other = rng.randrange(len(image))
            image[at : at + 20] = image[other : other + 40]
        elif kind == 2:
            image[at:at] = rng.choice((b'"', b"'", b"[", b"]", b"{", b"}", b"=", b".", b"\n", b"\xff", b"#", b"'''"))
        else:
            del image[at + 1 : at + rng.randrange(2, 30)]
    return bytes(image)


def hostile_values(n: int, seed: int = 0) -> Row:
    """Load `n` hostile configurations; each must end in time, in one line, and leave nothing."""
    row, codes = Row("hostile configurations", note=""), dict.fromkeys(_CODES, 0)
    for name in ("ddp_mlp.cli.commands.train", "ddp_mlp.config", "ddp_mlp.comm"):
        importlib.import_module(name)  # here, so that a child need not
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = Path(name)
        for number in range(n):
            case = Case(number, seed)
            (folder / "c.toml").write_bytes(case.content)
            ended = command(
                "train", "c.toml", "--dry-run", *case.options, cwd=folder,
                environment={**case.variables, "HOME": name, "TMPDIR": name, "DDP_MLP_CACHE_DIR": f"{name}/cache"},
                memory_bytes=_MEMORY_BYTES, deadline_s=10 * _LATEST_S,
            )  # fmt: skip
            row.trials += 1
            row.seconds.append(ended.seconds)
            codes[ended.code] = codes.get(ended.code, 0) + 1
            for problem in _problems(ended, folder):
                row.failures.append(
                    f"number {number}: {problem}; {case.options} {case.variables}: {case.content[:300]!r}"
                )
    row.note = f"seed {seed}; exit codes {', '.join(f'{code}: {count}' for code, count in codes.items())}"
    return row


def _problems(ended: Ended, folder: Path) -> Iterator[str]:
    """Yield what of the end of a command is not as promised."""
    if ended.code not in _CODES:
        yield f"exit code {ended.code}: {ended.err[-500:]}"
    if ended.seconds > _LATEST_S:
        yield f"{ended.seconds:.1f} s"
    lines = ended.err.split("\n")[:-1]
    if ended.code and not (len(lines) == 1 and lines[0].startswith("error: ") and lines[0].isprintable()):
        yield f"not one line: {ended.err[-500:]!r}"
    if any(len(line) > MOST_OF_A_LINE + 100 for line in lines):
        yield f"a line of {max(map(len, lines))} characters"
    if ended.code == 0:
        try:
            tomllib.loads(ended.out)
        except ValueError as error:
            yield f"what it prints is no TOML: {error}"
    if left := [entry for entry in os.listdir(folder) if entry != "c.toml"]:  # noqa: PTH208
        yield f"left {left}"
