"""Names decide where both sides have them; what does not fit is one error with all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddp_mlp.data.binding.bind import ABSENT, bind, bind_rows
from ddp_mlp.data.binding.differences import Found
from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema, SourceColumn
from ddp_mlp.errors import DataError

REGRESSION = Schema("regression", 3, 2, ("a", "b", "c"), ("p", "q"))
CLASSES = Schema("multiclass", 2, 3, ("a", "b"), class_names=("x", "y", "z"))


def found(features: Any, targets: Any = 1, classes: Any = None, used: dict[int, int] | None = None) -> Found:
    names, target_names = (value if isinstance(value, tuple) else None for value in (features, targets))
    n_features, n_targets = (len(value) if isinstance(value, tuple) else value for value in (features, targets))
    return Found(n_features, n_targets, names, target_names, classes, lambda column: (used or {}).get(column, 0))


def rows(features: list[list[float]], targets: list[list[float]]) -> Rows:
    return Rows(np.array(features), np.array(targets, np.float64).reshape(len(features), -1))


def refusal(schema: Schema, what: Found) -> str:
    with pytest.raises(DataError) as caught:
        bind(schema, what, "f.h5", "the model")
    return str(caught.value)


def test_columns_and_targets_in_another_order_are_mapped() -> None:
    binding = bind(REGRESSION, found(("c", "a", "b"), ("q", "p")), "f.h5", "the model")
    bound = bind_rows(rows([[3, 1, 2]], [[20, 10]]), binding)
    assert (bound.features.tolist(), bound.targets.tolist()) == ([[1, 2, 3]], [[10, 20]])
    assert binding.notes == ()


def test_the_same_names_leave_rows_as_they_are() -> None:
    binding = bind(REGRESSION, found(("a", "b", "c"), ("p", "q")), "f.h5", "the model")
    assert (binding.features, binding.targets, binding.labels, binding.notes) == (None, None, None, ())


def test_position_decides_where_one_side_has_no_names_and_it_is_said() -> None:
    (note, other) = bind(REGRESSION, found(3, 2), "f.h5", "the model").notes
    assert "by position" in note
    assert "targets" in other
    assert "by position" in bind(Schema("regression", 1, 1), found(("a",), ("t",)), "f.h5", "the model").notes[0]
    assert bind(Schema("regression", 1, 1), found(1), "f.h5", "the model").notes == ()


def test_all_that_does_not_fit_is_said_at_once() -> None:
    text = refusal(REGRESSION, found(("a", "bb", "id"), ("p", "r")))
    for part in ("b (is it bb?)", "c", "not used: bb, id", "targets that the model has are missing: q"):
        assert part in text


def test_columns_beside_those_that_are_needed_are_left_aside_and_said() -> None:
    binding = bind(REGRESSION, found(("id", "c", "b", "a"), ("p", "q")), "f.h5", "the model")
    assert bind_rows(rows([[9, 3, 2, 1]], [[1, 2]]), binding).features.tolist() == [[1, 2, 3]]
    assert "not used: id" in binding.notes[0]


@pytest.mark.parametrize(
    "columns", [(), (SourceColumn("c", "category", ("c=r", "c=g")), SourceColumn("s", "number", ("s",)))]
)
def test_absent_categories_are_zero_and_unknown_ones_are_counted(columns: tuple[SourceColumn, ...]) -> None:
    schema = Schema("regression", 3, 1, ("c=r", "c=g", "s"), columns=columns)
    binding = bind(schema, found(("s", "c=g")), "f.h5", "the model")
    assert binding.features is not None
    assert binding.features.tolist() == [ABSENT, 1, 0]
    assert bind_rows(rows([[5, 1]], [[0]]), binding).features.tolist() == [[0, 1, 5]]
    assert "c=y (4 rows)" in refusal(schema, found(("s", "c=g", "c=y"), used={2: 4}))
    bind(schema, found(("s", "c=g", "c=y")), "f.h5", "the model")  # no row has it
    assert "missing: c=r, c=g" in refusal(schema, found(("s",)))


def test_an_ordinal_column_is_no_group_of_categories() -> None:
    column = SourceColumn("size", "category", ("size",), ("s", "m"), how="ordinal")
    schema = Schema("regression", 2, 1, ("size", "x"), columns=(column, SourceColumn("x", "number", ("x",))))
    assert "missing: size" in refusal(schema, found(("x",)))


def test_classes_are_mapped_by_name() -> None:
    binding = bind(CLASSES, found(("a", "b"), 1, ("z", "x")), "f.h5", "the model")
    assert bind_rows(rows([[0, 0], [0, 0]], [[0], [1]]), binding).targets.tolist() == [[2], [0]]
    assert "classes that the model does not know: w" in refusal(CLASSES, found(("a", "b"), 1, ("w", "x")))


def test_labels_without_names_are_those_of_the_classes_that_are_numbers() -> None:
    numbered = Schema("multiclass", 1, 3, class_names=("1", "2", "10"))
    bound = bind_rows(rows([[0]] * 4, [[10], [1], [2], [3]]), bind(numbered, found(1), "f.h5", "the model"))
    np.testing.assert_array_equal(bound.targets[:, 0], [2, 0, 1, np.nan])
    (note,) = bind(CLASSES, found(("a", "b")), "f.h5", "the model").notes
    assert note.startswith("warning: f.h5: its classes have no names")


def test_a_column_for_each_class_is_one_of_them() -> None:
    binding = bind(CLASSES, found(("a", "b"), ("y", "x", "z")), "f.h5", "the model")
    bound = bind_rows(rows([[0, 0]] * 3, [[1, 0, 0], [0, 0, 1], [1, 1, 0]]), binding)
    np.testing.assert_array_equal(bound.targets[:, 0], [1, 2, np.nan])


def test_rows_without_targets_are_bound_by_their_features_alone() -> None:
    binding = bind(CLASSES, found(("b", "a"), 0), "f.h5", "the model")
    bound = bind_rows(Rows(np.array([[2.0, 1.0]]), np.zeros((1, 0))), binding)
    assert (bound.features.tolist(), bound.targets.shape) == ([[1, 2]], (1, 0))


def test_a_name_that_comes_twice_is_refused() -> None:
    assert "several columns called a" in refusal(REGRESSION, found(("a", "a", "b"), 2))


def test_numbers_of_columns_are_compared_where_there_are_no_names() -> None:
    text = refusal(Schema("regression", 3, 2), found(4, 1))
    assert "4 features, the model has 3" in text
    assert "1 target, the model has 2" in text


@pytest.mark.parametrize("names", [("1", "2"), ("2", "0"), ("2",)])
def test_names_that_are_numbers_of_classes_are_these_where_the_classes_have_no_names(names: tuple[str, ...]) -> None:
    bound = bind_rows(rows([[0]] * len(names), [[i] for i in range(len(names))]),
                      bind(Schema("multiclass", 1, 3), found(1, classes=names), "f.h5", "the model"))  # fmt: skip
    np.testing.assert_array_equal(bound.targets[:, 0], [int(name) for name in names])


NAMELESS = Schema("multiclass", 1, 12)


@pytest.mark.parametrize(
    ("names", "classes"),
    [(("0", "1", "10", "11"), [0, 1, 10, 11]), (("3", "7"), [3, 7]), (("07", "3.0"), [7, 3]), (("No", "x"), None)],
)
def test_names_that_are_numbers_are_the_classes_of_a_model_without_names(
    names: tuple[str, ...], classes: list[int] | None
) -> None:
    binding = bind(NAMELESS, found(1, 1, names), "f.h5", "the model")
    if classes is None:
        assert binding.labels is None
        assert "warning:" in binding.notes[0]
    else:
        assert binding.labels is not None
        assert binding.labels.classes.tolist() == classes


def test_booleans_are_0_and_1_of_a_model_without_names_and_the_other_way_round() -> None:
    of_numbers = bind(Schema("binary", 1, 1), found(1, 1, ("False", "True")), "f.h5", "the model")
    of_booleans = bind(Schema("binary", 1, 1, class_names=("false", "true")), found(1), "f.h5", "the model")
    for binding in (of_numbers, of_booleans):
        bound = bind_rows(rows([[0], [0]], [[1], [0]]), binding)
        assert (bound.targets[:, 0].tolist(), binding.notes) == ([1, 0], ())


@pytest.mark.parametrize(
    ("names", "bound"), [(("False", "True"), [0, 1]), (("TRUE",), [1]), (("true", "FALSE"), [1, 0])]
)
def test_booleans_are_the_same_in_any_capitals(names: tuple[str, ...], bound: list[int]) -> None:
    schema = Schema("binary", 1, 1, class_names=("false", "true"))
    given = rows([[0]] * len(names), [[i] for i in range(len(names))])
    found_rows = bind_rows(given, bind(schema, found(1, 1, names), "f.h5", "the model"))
    assert found_rows.targets[:, 0].tolist() == bound


def test_numbers_that_are_none_of_its_classes_are_refused() -> None:
    assert "does not know: 12, 1.5" in refusal(NAMELESS, found(1, 1, ("1", "12", "1.5")))
