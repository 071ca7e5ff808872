"""The page: one HTML file with all that it needs in it, which asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from string import Template

import numpy as np

from ddp_mlp.report.pages.charts import MOST_CURVES, Chart, charts_of, curves, label_of
from ddp_mlp.report.pages.facts import METRICS, commands, facts, headline, trouble
from ddp_mlp.report.pages.markup import Markup, as_data, as_set, element, escaped, joined, shown, table
from ddp_mlp.report.pages.ranks_section import ranks_section
from ddp_mlp.report.pages.study_section import study_section
from ddp_mlp.report.records.differences import differences, flat
from ddp_mlp.report.records.groups import ranking_score
from ddp_mlp.report.records.record import Record

#: Epochs in the table of numbers.
_ROWS = 24
#: The place of the part about all runs together, such as the members of an ensemble.
WHOLE = -1
#: Runs of several that have a part of their own.
_MOST_DETAILS = 50
_SLIDER = Markup('<input id="smoothing" type="range" min="0" max="0.98" step="0.02" value="0">')
_HINT = (
    "Vertical lines: dashed the best epoch, solid a stop, dotted where it went on. "
    "Drag over a chart to zoom in; with the keyboard, arrows move along the curves and Escape resets."
)
_LATER = "Answers, the importance of features and the health of the data come when the run is over."
_LAYERS = "[train] log_layer_norms = true adds the gradient norm of each layer, where one that vanishes is seen."


def page_of(records: Sequence[Record], answers: Mapping[int, Markup] | None = None, name: str = "") -> str:
    """Return the page of one run, or of several beside each other.

    Parameters
    ----------
    answers : dict of int to Markup
        The part about answers of runs that have one, by their place; `WHOLE` is that of all together.
    name : str
        Of all of them, such as that of a study.
    """
    answers = answers or {}
    data = curves(records)
    is_one = len(records) == 1
    title = records[0].name if is_one else name or f"{len(records)} runs"
    body = _one_run(records[0], answers) if is_one else _several_runs(records, answers)
    style = "\n".join(map(_asset, ("uPlot.min.css", "tokens.css", "report.css")))
    scripts = _asset("uPlot.iife.min.js"), _asset("report.js")
    return Template(_asset("report.html")).substitute(
        title=escaped(f"{title} · ddp-mlp"),
        policy=escaped(_policy(style, scripts)),
        style=style,
        plot_licence=escaped(_asset("uPlot.LICENSE").replace("--", "- -")),
        plot=scripts[0],
        script=scripts[1],
        data=as_data(data),
        heading=escaped(title),
        body=body,
        footer=escaped(f"ddp-mlp {version('ddp-mlp')}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    )


def _asset(name: str) -> str:
    return (files("ddp_mlp.report") / "assets" / name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Return the content security policy by which a browser runs these scripts, and loads nothing at all."""
    allowed = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    rules = f"style-src 'sha256-{_hash(style)}'; script-src {allowed}; img-src data:"
    return f"default-src 'none'; {rules}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _one_run(record: Record, answers: Mapping[int, Markup]) -> Markup:
    lead = element("p", headline(record), class_=f"lead {'bad' if record.state in ('failed', 'died') else ''}")
    config = table(
        ["key", "value"], [[key, shown(v)] for key, v in flat(record.config).items()], caption="Configuration"
    )
    return joined(
        [
            lead,
            *(element("p", line, class_="trouble", role="alert") for line in trouble(record)),
            element("dl", *(joined([element("dt", n), element("dd", v)]) for n, v in facts(record)), class_="facts"),
            _charts([record]),
            *ranks_section(record),
            *answers.values(),
            *([element("p", _LATER, class_="hint")] if record.state == "running" and not answers else []),
            *([_numbers(record)] if len(record.history.epochs) else []),
            _commands(record),
            *([_fold("Configuration as resolved", config)] if record.config else []),
            *([_fold("Log", element("pre", "\n".join(record.log), tabindex=0))] if record.log else []),
        ]
    )


def _several_runs(records: Sequence[Record], answers: Mapping[int, Markup]) -> Markup:
    found = [(record, message) for record in records for message in trouble(record)]
    few = f" Curves are drawn of the first {MOST_CURVES} of them." if len(records) > MOST_CURVES else ""
    score = ranking_score(records)
    ranked = f" The search was asked to rank them by {METRICS[score]}." if score else ""
    text = f"{len(records)} runs beside each other; the table has the settings in which they differ.{ranked}{few}"
    return joined(
        [
            element("p", text),
            *_part(answers, WHOLE),
            *study_section(records),
            table(*comparison(records), caption="Runs, and what differs", sortable=True),
            *(element("p", element("strong", f"{one.name}: "), line, class_="trouble") for one, line in found),
            _charts(records[:MOST_CURVES]),
            *(_of_several(record, _part(answers, i)) for i, record in enumerate(records[:_MOST_DETAILS])),
        ]
    )  # fmt: skip


def _of_several(record: Record, answers: Sequence[Markup]) -> Markup:
    return _fold(record.name, joined([element("p", headline(record)), *answers, _commands(record)]))


def _part(answers: Mapping[int, Markup], number: int) -> list[Markup]:
    return [answers[number]] if number in answers else []


def comparison(records: Sequence[Record]) -> tuple[list[str], list[list[object]]]:
    """Return a table of runs, header and rows: name, state, metrics of the best epoch, speed, and what differs."""
    metrics = [name for name in METRICS if any(record.score(name) is not None for record in records)]
    differing = differences(records)
    header = ["run", "state", "epochs", "best epoch", *(METRICS[name] for name in metrics), "samples/s", *differing]
    rows: list[list[object]] = []
    for i, record in enumerate(records):
        history, best = record.history, record.history.best
        epochs = int(history.epochs[-1]) if len(history.epochs) else 0
        best_epoch = None if best is None else int(history.epochs[best])
        speed = record.number("samples_per_s") or history.at("samples_per_s", -1)
        scores = [record.score(name) for name in metrics]
        settings = [as_set(values[i]) for values in differing.values()]
        rows.append(
            [record.name, record.state, epochs, best_epoch, *scores, round(speed) if speed else None, *settings]
        )
    return header, rows


def _charts(records: Sequence[Record]) -> Markup:
    charts = charts_of(records)
    if not charts:
        return element("p", "No epoch has ended yet, so there are no curves.", class_="empty")
    controls = element(
        "div",
        element("label", "Smoothing ", _SLIDER),
        element("button", "Reset zoom", type="button", id="reset"),
        element("span", _HINT, class_="hint"),
        class_="controls",
    )  # fmt: skip
    more = [] if any(chart.key == "layers" for chart in charts) else [element("p", _LAYERS, class_="hint")]
    drawn = element("div", *map(_chart, charts), class_="charts")
    return element("section", element("h2", "Curves"), controls, drawn, *more)


def _chart(chart: Chart) -> Markup:
    switch = Markup(f'<input type="checkbox" class="log"{" checked" if chart.is_log else ""}>')
    top = element("figcaption", element("span", chart.title), element("label", switch, " log"))
    names = ", ".join(map(label_of, chart.columns))
    plot = element("div", class_="plot", tabindex=0, role="img", aria_label=f"{chart.title} by epoch: {names}")
    return element("figure", top, plot, element("p", class_="reading", aria_live="polite"), data_chart=chart.key)


def _numbers(record: Record) -> Markup:
    """Return a table of some epochs, the best and the last among them: for eyes and ears without charts."""
    history = record.history
    chosen = set(np.linspace(0, len(history.epochs) - 1, _ROWS).astype(int).tolist())
    chosen |= {history.best} if history.best is not None else set()
    names = [name for name in history.named() if not name.startswith("grad_norm_")]
    whole = {"epoch", "step"}
    rows = []
    for i in sorted(chosen):
        values = ((name, history.at(name, i)) for name in names)
        rows.append([int(v) if name in whole and v is not None else v for name, v in values])
    caption = "Some epochs in numbers" if len(chosen) < len(history.epochs) else "All epochs in numbers"
    return _fold(caption, table([name.replace("_", " ") for name in names], rows, caption=caption, sortable=True))


def _commands(record: Record) -> Markup:
    lines = [joined([element("dt", name), element("dd", element("code", line))]) for name, line in commands(record)]
    return element("section", element("h2", "To run"), element("dl", *lines, class_="commands"))


def _fold(summary: str, inside: Markup) -> Markup:
    return element("details", element("summary", summary), inside)
