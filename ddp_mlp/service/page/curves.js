// The charts of one run or of several, with one smoothing and one way back to all epochs.

import { chartsOf, liveChart } from "./charts.js";
import { button, h } from "./dom.js";
import { bestEpoch, isNumber, shown } from "./logic.js";

const HINT = "Vertical lines: dashed the best epoch, dotted where it went on, solid where it failed. Drag over a chart to zoom in; arrow keys read the values.";

export const marksOf = (job, metrics) => {
  const best = /loss/.test(job.best?.metric) ? job.best.epoch : bestEpoch(metrics), last = metrics.rows.at(-1)?.[metrics.columns.indexOf("epoch")];
  return [
    ...(best === null ? [] : [{ kind: "best", epoch: best, text: `best: epoch ${shown(best)}` }]),
    ...(metrics.restarts || []).map((epoch) => ({ kind: "resumed", epoch: epoch - 1, text: "went on from here" })),
    ...(job.state === "failed" && isNumber(last) ? [{ kind: "failed", epoch: last, text: "failed after this epoch" }] : []),
  ];
};

// `runs`: a function that gives [{name, metrics, marks}].
export const curves = (runs) => {
  let keep = 0, charts = [], names = "";
  const slider = h("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: 0, oninput: () => { keep = +slider.value; charts.forEach((chart) => chart.update()); } });
  const place = h("div", { class: "charts" });
  const element = h("div", { class: "curves" }, h("div", { class: "controls" }, h("label", {}, "Smoothing", slider),
    button("All epochs", () => charts.forEach((chart) => chart.all())), h("span", { class: "hint" }, HINT)), place);
  const close = () => { charts.forEach((chart) => chart.close()); charts = []; names = ""; };
  // Columns come with the first epoch; from then on lines only grow.
  const update = () => {
    const found = [...new Set(runs().flatMap((run) => run.metrics.columns.filter((name, at) => run.metrics.rows.some((row) => isNumber(row[at])))))];
    if (found.join() === names) { charts.forEach((chart) => chart.update()); return; }
    close();
    names = found.join();
    charts = chartsOf(found, runs().length > 1).map((chart) => liveChart(chart, runs, () => keep));
    place.replaceChildren(...charts.map((chart) => chart.element));
    charts.forEach((chart) => chart.mount());
  };
  return { element, update, close };
};
