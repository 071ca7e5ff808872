"""The values that names of classes stand for."""

from __future__ import annotations

from typing import Any

import pytest

from ddp_mlp.data.class_values import class_values
from ddp_mlp.data.schema import ClassKind, Schema


@pytest.mark.parametrize(
    ("names", "kind", "values"),
    [
        (("3", "-1", "20"), "", [3, -1, 20]),
        (("3", "1"), "text", ["3", "1"]),
        (("03", "1"), "", ["03", "1"]),
        (("0", "99999999999999999999"), "", ["0", "99999999999999999999"]),
        (("false", "true"), "", [False, True]),
        (("TRUE", "FALSE"), "", [True, False]),
        (("False", "True"), "text", ["False", "True"]),
        (("false", "true", "unknown"), "", ["false", "true", "unknown"]),
        (None, "", [0, 1]),
    ],
)
def test_names_are_read_as_what_all_of_them_are(
    names: tuple[str, ...] | None, kind: ClassKind, values: list[Any]
) -> None:
    n = len(names or "ab")
    task, n_outputs = ("binary", 1) if n == 2 else ("multiclass", n)
    found = class_values(Schema(task, 2, n_outputs, class_names=names, class_kind=kind))  # type: ignore[arg-type]
    assert found is not None
    assert found.tolist() == values


def test_quantities_have_no_classes() -> None:
    assert class_values(Schema("regression", 2, 1)) is None
