"""The part of a page about the spread of an ensemble: its size, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ddp_mlp.core.ensembles.spread import DEVIATION, DISAGREEMENT, ENTROPY, labels_of
from ddp_mlp.report.findings.answers import AnswerSheet
from ddp_mlp.report.findings.spread import error_by_spread, normal_within, right_by_voices, within
from ddp_mlp.report.pages.drawing import Picture, Shape, picture
from ddp_mlp.report.pages.markup import Markup, element, table

#: Targets with pictures of their own, and with a line in the picture of all.
_MOST_TARGETS, _MOST_LINES = 4, 8
_TIMES = np.linspace(0, 3, 31)
_BINS = 30
#: Figures of `evaluate` that the section names, and words for them.
_NAMES = {
    "spread": "root mean square of the spread", "within_1_std": "within one standard deviation (normal: 0.683)",
    "within_2_std": "within two (normal: 0.954)", "spread_error_correlation": "correlation of spread and error",
    "calibration_error": "calibration error", "entropy": "mean entropy (nats)", "disagreement": "mean disagreement",
    "agreed": "part of the rows of which all members are of one class", "agreed_accuracy": "accuracy there",
}  # fmt: skip


def spread_section(sheet: AnswerSheet) -> Markup:
    """Return the section of a page about how far the members of an ensemble are from each other."""
    metrics = sheet.metrics
    scores = [name for name in ("loss", "accuracy", "rmse", "mae", "r2") if metrics.get(name) is not None]
    rows = [[name, metrics[name], metrics.get(f"member_{name}")] for name in scores]
    compared = table(["metric", "of the mean", "mean of the members"], rows, caption="Together, and one by one")
    figures = [[words, metrics[name]] for name, words in _NAMES.items() if name in metrics]
    of_spread = table(["spread", "value"], figures, caption=f"The spread of {metrics['n_members']} members")
    drawn = element("div", *(picture(*one) for one in spread_pictures(sheet)), class_="charts")
    tables = element("div", compared, of_spread, *_more_tables(sheet), class_="tables")
    lead = element("p", f"{metrics['n_members']} members, {sheet.where}.")
    return element("section", element("h2", "Ensemble"), lead, drawn, tables)


def spread_pictures(sheet: AnswerSheet) -> list[Picture]:
    """Return the figures about the spread of an ensemble; none where one model answered."""
    if not sheet.spread or not len(sheet.rows):
        return []
    return list(_of_quantities(sheet) if sheet.schema.task == "regression" else _of_classes(sheet))


def _more_tables(sheet: AnswerSheet) -> Iterator[Markup]:
    if sheet.schema.task == "regression":
        rows = [[row["target"], *(row[name] for name in list(_NAMES)[:4])] for row in sheet.metrics["targets"]]
        head = ["target", "spread", "within 1", "within 2", "correlation with the error"]
        if len(rows) > 1:
            yield table(head, rows, caption="The spread of each target", sortable=True)
        return
    right, members = _is_right(sheet), int(sheet.metrics["n_members"])
    lines = right_by_voices(sheet.spread[DISAGREEMENT][:, 0], right, members)
    yield table(["members that disagree", "rows", "part that is right"], lines, caption="Rows by who disagrees")


def _is_right(sheet: AnswerSheet) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(labels_of(sheet.outputs) == sheet.targets[:, 0])


def _of_quantities(sheet: AnswerSheet) -> Iterator[Picture]:
    names, error, spread = sheet.schema.targets, sheet.outputs - sheet.targets, sheet.spread[DEVIATION]
    lines = [
        Shape("line", names[i], _TIMES, within(spread[:, i], error[:, i], _TIMES))
        for i in range(min(len(names), _MOST_LINES))
    ]
    normal = Shape("guide", "", _TIMES, normal_within(_TIMES))
    yield Picture("Answers within the spread", "times the spread", "part of the answers", (normal, *lines))
    for i, name in enumerate(names[:_MOST_TARGETS]):
        x, y = error_by_spread(spread[:, i], error[:, i])
        ends = np.array([0.0, max(x.max(), y.max())])
        shapes = Shape("guide", "", ends, ends), Shape("line", name, x, y)
        yield Picture(f"Error of {name} where the spread is so large", "spread", "root mean square error", shapes)
        yield _histogram(f"Spread of {name}", "standard deviation of the members", spread[:, i])


def _of_classes(sheet: AnswerSheet) -> Iterator[Picture]:
    entropy, right = sheet.spread[ENTROPY][:, 0], _is_right(sheet)
    most = float(np.log(max(2, sheet.schema.n_outputs)))
    shapes = []
    for name, chosen in (("right", right), ("wrong", ~right)):
        if chosen.any():
            counts, edges = np.histogram(entropy[chosen], bins=_BINS, range=(0, most))
            shapes.append(Shape("line", name, (edges[1:] + edges[:-1]) / 2, counts / chosen.sum()))
    yield Picture("Entropy of right and of wrong answers", "entropy (nats)", "part of such rows", tuple(shapes))
    found = right_by_voices(sheet.spread[DISAGREEMENT][:, 0], right, int(sheet.metrics["n_members"]))
    x, y = (np.array([line[k] for line in found], np.float64) for k in (0, 2))
    shape = Shape("line", "", x, y)
    yield Picture("Right answers by who disagrees", "members that disagree", "part that is right", (shape,))


def _histogram(title: str, label: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Picture:
    finite = values[np.isfinite(values)]
    top = float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
    counts, edges = np.histogram(finite, bins=_BINS, range=(0, top))
    return Picture(title, label, "rows", (Shape("bars", "", edges, counts.astype(float)),))
