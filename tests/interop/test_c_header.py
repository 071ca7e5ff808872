"""The C header: strict compilers, hostile names, bits of constants, two headers in one program, C++ and Fortran."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.interop.check import own_answers, sample_rows
from ddp_mlp.interop.formats.c_header import image, prefix_of
from ddp_mlp.interop.portable import portable
from tests.compilers import need
from tests.interop.models import model

HOSTILE = ('a"b', "*/ #error", "ü??/\\", "line\nbreak", "%d\0", "??)")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]


def write(trained: Model, path: Path) -> Path:
    path.write_bytes(image(portable(trained), path.stem))
    return path


def call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[:2000]
    return done.stdout


MAIN = """
#include <stdio.h>
#define SMALL_IMPLEMENTATION
#include "small.h"
#define MODEL_2_IMPLEMENTATION
#include "2.h"
#include "small.h"
int main(void)
{
  double x[SMALL_N_FEATURES], y[SMALL_N_OUTPUTS], z[MODEL_2_N_OUTPUTS];
  int i;
  while (1) {
    for (i = 0; i < SMALL_N_FEATURES; i++) if (scanf("%lf", &x[i]) != 1) return 0;
    small_predict(x, y); model_2_predict(x, z);
    for (i = 0; i < SMALL_N_OUTPUTS; i++) printf("%.17g ", y[i]);
    printf("%d %.17g %.17g %.17g\\n", small_class(y), z[0], z[1], z[2]);
  }
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_two_headers_with_hostile_names_compile_strictly_and_answer(compiler: str, tmp_path: Path) -> None:
    need(compiler)
    classes, names = HOSTILE[:3], HOSTILE[1:5]
    loss = ("cross_entropy", "multiclass")
    small = model(("softplus",), loss, dtype="float32", class_names=classes, feature_names=names)
    other = model(("maxout", "arctan"), filled=True, scaled=True, target_names=HOSTILE[:3], target_units=HOSTILE[3:])
    write(small, tmp_path / "small.h")
    write(other, tmp_path / "2.h")
    (tmp_path / "main.c").write_text(MAIN)
    flags = STRICT if compiler == "gcc" else ["-x", "c++", "-std=c++17", "-Wall", "-Werror"]
    call([compiler, *flags, "-O1", "main.c", "-o", "main", "-lm"], tmp_path)
    x = sample_rows(small, 20)
    x = x[np.isfinite(x).all(axis=1)]
    rows = "\n".join(" ".join(map(repr, row)) for row in x.tolist())
    done = subprocess.run([tmp_path / "main"], input=rows, capture_output=True, text=True, check=True, timeout=60)
    found = np.array([line.split() for line in done.stdout.splitlines()], np.float64)
    own = own_answers(small, x)
    assert np.allclose(found[:, :3], own, atol=1e-6)
    assert np.array_equal(found[:, 3], own.argmax(axis=1))
    assert np.allclose(found[:, 4:], own_answers(other, x), rtol=1e-13)


def test_constants_are_those_of_the_model_to_the_bit(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        trained = model((), dtype=dtype, n_outputs=1)
        # The least, the largest and the subnormal numbers, and a negative zero.
        info = np.finfo(dtype)
        trained.parameters[:] = [info.tiny, info.max, -info.smallest_subnormal, -0.0, 0.1]
        text = write(trained, tmp_path / "m.h").read_text()
        (numbers,) = re.findall(r"m_weight0\[4\] = \{([^}]*)\}", text)
        read = np.array([float.fromhex(number.strip().rstrip("f")) for number in numbers.split(",")], dtype)
        assert read.tobytes() == trained.parameters[:4].tobytes()
        out = call_constants(tmp_path, "float" if dtype == "float32" else "double")
        assert out == trained.parameters[:4].tobytes().hex()


def call_constants(folder: Path, kind: str) -> str:
    """Return the bytes of the first weights as a compiler reads them."""
    code = f"""
#include <stdio.h>
#define M_IMPLEMENTATION
#include "m.h"
int main(void)
{{
  unsigned i; const unsigned char *bytes = (const unsigned char *)m_weight0;
  for (i = 0; i < 4 * sizeof({kind}); i++) printf("%02x", bytes[i]);
  return 0;
}}
"""
    (folder / "bits.c").write_text(code)
    call([need("gcc"), *STRICT, "bits.c", "-o", "bits", "-lm"], folder)
    return call([str(folder / "bits")], folder)


def test_fortran_calls_the_function_as_the_page_says(tmp_path: Path) -> None:
    fortran = need("gfortran")
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
    (program,) = re.findall(r"```fortran\n(.*?)```", page, re.S)
    trained = model(("sigmoid",), filled=True, scaled=True)
    write(trained, tmp_path / "surrogate.h")
    (tmp_path / "surrogate.c").write_text('#define SURROGATE_IMPLEMENTATION\n#include "surrogate.h"\n')
    (tmp_path / "main.f90").write_text(program)
    call([need("gcc"), *STRICT, "-c", "surrogate.c"], tmp_path)
    call([fortran, "-Wall", "-Werror", "main.f90", "surrogate.o", "-o", "main", "-lm"], tmp_path)
    found = np.array(call([str(tmp_path / "main")], tmp_path).split(), np.float64)
    assert np.allclose(found, own_answers(trained, np.array([[1.0, 2.0, 3.0, 4.0]]))[0], rtol=1e-13)


def test_names_of_files_become_names_of_c() -> None:
    assert [prefix_of(stem) for stem in ("m", "my-model.v2", "2", "_x", "größe", "")] == [
        "m", "my_model_v2", "model_2", "x", "gr__e", "model",
    ]  # fmt: skip
