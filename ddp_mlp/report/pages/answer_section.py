"""The part of a page about answers: of classes or of quantities, in the units of the data, and the worst rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.report.findings.answers import AnswerSheet
from ddp_mlp.report.findings.quality import Numbers, calibration, class_losses, precision_recall, roc_curve, worst
from ddp_mlp.report.pages.drawing import MOST_POINTS, Picture, Shape, picture
from ddp_mlp.report.pages.markup import Cell, Markup, element, exact, shown, table

Labels = NDArray[np.int64]

#: Classes with a curve of their own, classes in a confusion matrix, targets with a picture, and targets in a table.
_MOST_CURVES, MOST_CLASSES, _MOST_TARGETS, _MOST_LISTED = 8, 30, 6, 40
_UNIT = np.array([0.0, 1.0])


def answer_section(sheet: AnswerSheet) -> Markup:
    """Return the section of a page that shows answers beside what is true."""
    drawn, *tables = _quantities(sheet) if sheet.schema.task == "regression" else _classes(sheet)
    names = {"loss", "accuracy", "macro_f1", "roc_auc", "rmse", "mae", "r2"}
    scores = ", ".join(
        f"{name.replace('_', ' ')} {shown(value)}" for name, value in sheet.metrics.items() if name in names
    )
    lead = element("p", f"{sheet.where}: {scores}.")
    return element("section", element("h2", "Answers"), lead, drawn, element("div", *tables, class_="tables"))


def pictures_of(sheet: AnswerSheet) -> list[Picture]:
    """Return the figures about answers: of classes ROC, precision and calibration; of quantities parity, residuals."""
    return list(_quantity_pictures(sheet) if sheet.schema.task == "regression" else _class_pictures(_scored(sheet)))


class _Scored(NamedTuple):
    """Answers about classes.

    Attributes
    ----------
    scores, chances : ndarray of shape (n, C)
        More is likelier; `chances` are probabilities where there are any.
    labels, answers : ndarray of shape (n,)
    drawn : list of int
        Classes with a curve.
    """

    sheet: AnswerSheet
    scores: Numbers
    chances: Numbers
    labels: Labels
    answers: Labels
    drawn: list[int]


def _scored(sheet: AnswerSheet) -> _Scored:
    names, labels = sheet.schema.classes or (), sheet.targets[:, 0].astype(np.int64)
    if sheet.schema.task == "binary":
        scores = np.stack([-sheet.outputs[:, 0], sheet.outputs[:, 0]], axis=1)
        chances = np.stack([1 - sheet.outputs[:, 0], sheet.outputs[:, 0]], axis=1)
        answers = (sheet.outputs[:, 0] > sheet.threshold).astype(np.int64)
        shown_classes = [1]
    else:
        scores = chances = sheet.outputs
        answers = scores.argmax(axis=1)
        shown_classes = list(range(min(len(names), _MOST_CURVES)))
    return _Scored(sheet, scores, chances, labels, answers, shown_classes)


def _drawn(pictures: Iterable[Picture]) -> Markup:
    return element("div", *(picture(*one) for one in pictures), class_="charts")


def _classes(sheet: AnswerSheet) -> Iterator[Markup]:
    names, found = sheet.schema.classes or (), _scored(sheet)
    labels, answers, chances = found.labels, found.answers, found.chances
    yield _drawn(_class_pictures(found))
    rows = [list(row.values()) for row in sheet.metrics.get("classes", [])]
    yield table(["class", "precision", "recall", "F1", "rows"], rows, caption="Each class", sortable=True)
    if (matrix := sheet.metrics.get("confusion")) and len(matrix) <= MOST_CLASSES:
        lines = [[name, *_shaded(counts)] for name, counts in zip(names, matrix, strict=True)]
        yield table(["class \\ answer", *names], lines, caption="Confusion: rows of each class, by their answer")
    if sheet.has_probabilities:
        losses, true = class_losses(chances, labels)
        chosen = worst(losses)
        poorest = [[int(sheet.rows[i]), names[labels[i]], names[answers[i]], float(true[i])] for i in chosen]
        head = ["row", "class", "answer", "probability of its class"]
        yield table(head, poorest, caption="The worst rows, counted from 0", sortable=True)


def _shaded(counts: Sequence[int]) -> list[Cell]:
    """Return cells that are the darker the more rows of a class have that answer."""
    whole = max(1, sum(counts))
    return [Cell(shown(count), count, math.ceil(8 * count / whole)) for count in counts]


def _class_pictures(found: _Scored) -> Iterator[Picture]:
    """Yield ROC, precision and recall, and calibration, of the classes that are drawn."""
    sheet, scores, chances, labels, answers, drawn = found
    names = sheet.schema.classes or ()
    roc = [Shape("line", names[c], *roc_curve(labels == c, scores[:, c])) for c in drawn]
    yield Picture("ROC", "false positive rate", "true positive rate", (Shape("guide", "", _UNIT, _UNIT), *roc))
    precision = [Shape("line", names[c], *precision_recall(labels == c, scores[:, c])) for c in drawn]
    yield Picture("Precision and recall", "recall", "precision", (Shape("guide", "", _UNIT, _UNIT * 0), *precision))
    if sheet.has_probabilities:
        confidence, right, _ = calibration(chances.max(axis=1), labels == answers)
        shapes = Shape("guide", "", _UNIT, _UNIT), Shape("line", "", confidence, right)
        yield Picture("Calibration", "confidence of the answer", "part that is right", shapes)


def _target_names(sheet: AnswerSheet) -> list[str]:
    units = sheet.schema.target_units or ("",) * sheet.targets.shape[1]
    return [f"{name} [{unit}]" if unit else name for name, unit in zip(sheet.schema.targets, units, strict=True)]


def _quantity_pictures(sheet: AnswerSheet) -> Iterator[Picture]:
    """Yield parity and residuals of the first targets."""
    for i, name in enumerate(_target_names(sheet)[:_MOST_TARGETS]):
        yield _parity(name, sheet.targets[:, i], sheet.outputs[:, i])
        yield _residuals(name, sheet.outputs[:, i] - sheet.targets[:, i])


def _quantities(sheet: AnswerSheet) -> Iterator[Markup]:
    names, residuals = _target_names(sheet), sheet.outputs - sheet.targets
    yield _drawn(_quantity_pictures(sheet))
    metrics = zip(names, sheet.metrics.get("targets", []), strict=False)
    rows = [[name, row["rmse"], row["mae"], row["r2"]] for name, row in metrics]
    few = f"The {_MOST_LISTED} targets of {len(rows)} with the lowest R²" if len(rows) > _MOST_LISTED else "Each target"
    listed = sorted(rows, key=_r2)[:_MOST_LISTED] if len(rows) > _MOST_LISTED else rows
    yield table(["target", "RMSE", "MAE", "R²"], listed, caption=few, sortable=True)
    with np.errstate(all="ignore"):  # of answers that are beyond all measure, which are the worst
        scale = np.sqrt(np.mean(residuals**2, axis=0))
        losses = (residuals**2 / np.where(scale > 0, scale, 1) ** 2).sum(axis=1)
    lines = [[int(sheet.rows[i]), *_beside(sheet.targets[i], sheet.outputs[i], scale)] for i in worst(losses)]
    head = ["row", *(word for name in names[:_MOST_TARGETS] for word in (f"{name}, true", f"{name}, answer"))]
    yield table(head, lines, caption="The worst rows, counted from 0", sortable=True)


def _r2(row: Sequence[object]) -> float:
    """Return the last number of a row; that of a target which never varies has none."""
    return row[-1] if isinstance(row[-1], float) and row[-1] == row[-1] else math.inf


def _beside(true: Numbers, answers: Numbers, errors: Numbers) -> list[Cell]:
    """Return the true and the answered values of a row, in digits that tell errors of this size."""
    three = zip(true[:_MOST_TARGETS], answers[:_MOST_TARGETS], errors, strict=False)
    return [exact(float(v), float(error)) for *pair, error in three for v in pair]


def _parity(name: str, true: Numbers, answers: Numbers) -> Picture:
    kept = np.unique(np.linspace(0, len(true) - 1, MOST_POINTS).astype(int))
    ends = np.array([true.min(), true.max()])
    shapes = Shape("guide", "", ends, ends), Shape("points", name, true[kept], answers[kept])
    return Picture(f"Parity of {name}", "true", "answer", shapes)


def _residuals(name: str, residuals: Numbers) -> Picture:
    finite = residuals[np.isfinite(residuals)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    least = 1e-9 * max(abs(low), abs(high)) or 1e-9  # bins of residuals that are all the same have a width too
    if high - low < least:
        low, high = low - least, high + least
    counts, edges = np.histogram(finite, bins=30, range=(low, high))
    shape = Shape("bars", name, edges, counts.astype(float))
    return Picture(f"Residuals of {name}", "answer - true", "rows", (shape,))
