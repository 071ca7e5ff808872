// Curves by uPlot, which live data are appended to without a chart being made anew.

import { h, s } from "./dom.js";
import { brief, column, isNumber, shown, smoothed } from "./logic.js";

const HEIGHT = 240, COLOURS = 8, DASHES = [[], [8, 4], [2, 3]], MANY_POINTS = 40;
const TIMES = ["compute_s", "communicate_s", "data_s", "wall_s"];
const NAMES = { train_loss: "training", valid_loss: "validation", wall_s: "all of it", data_s: "data" };
const TITLES = { valid_accuracy: "Accuracy on validation rows", valid_rmse: "RMSE on validation rows", valid_r2: "R² on validation rows" };

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const nameOf = (name) => NAMES[name] || name.replace(/^(valid|grad_norm)_|_s$/g, "").replaceAll("_", " ");

// `several`: runs are laid over each other, so that a chart has one column or two.
export const chartsOf = (names, several) => {
  const metrics = names.filter((name) => name.startsWith("valid_") && name !== "valid_loss"), layers = names.filter((name) => name.startsWith("grad_norm_"));
  const title = (name) => TITLES[name] || `${nameOf(name)} on validation rows`;
  return [
    { title: "Loss", columns: ["train_loss", "valid_loss"] },
    ...metrics.map((name) => ({ title: title(name), columns: [name] })),
    { title: "Learning rate", columns: ["learning_rate"] },
    { title: "Gradient norm", columns: ["grad_norm"], isLog: true },
    { title: "Gradient norm of each layer", columns: layers, isLog: true },
    { title: "Samples per second", columns: ["samples_per_s"] },
    { title: "Seconds of an epoch", columns: several ? ["wall_s"] : TIMES },
  ].map((chart) => ({ ...chart, columns: chart.columns.filter((name) => names.includes(name)) })).filter((chart) => chart.columns.length);
};

// `runs()` gives `[{name, metrics, marks: [{epoch, kind, text}]}]`, at each drawing anew.
export const liveChart = (chart, runs, smoothing) => {
  const several = runs().length > 1;
  const lines = runs().flatMap((run, n) => chart.columns.map((name, kind) => ({
    run: n, name, isHidden: false, label: several ? run.name + (chart.columns.length > 1 ? ` ${nameOf(name)}` : "") : nameOf(name),
    ...(several ? { colour: n % COLOURS, dash: DASHES[(Math.floor(n / COLOURS) + kind) % 3] } : { colour: kind % COLOURS, dash: DASHES[kind % 2] }),
  })));
  const log = h("input", { type: "checkbox", checked: Boolean(chart.isLog), onchange: () => make() });
  const reading = h("p", { class: "reading", role: "status" }), place = h("div", {
    class: "plot", tabindex: "0", role: "img", "aria-label": `${chart.title} by epoch: ${lines.map((line) => line.label).join(", ")}. Arrow keys read the values.`,
  });
  const legend = h("ul", { class: "legend" }, lines.length > 1 ? lines.map((line, i) => h("li", {}, h("label", {},
    h("input", { type: "checkbox", checked: true, onchange: (event) => { line.isHidden = !event.target.checked; plot?.setSeries(i + 1, { show: !line.isHidden }); } }), sample(line), ` ${line.label}`))) : null);
  const element = h("figure", {}, h("figcaption", {}, h("span", {}, chart.title), h("label", {}, log, " log")), place, reading, legend);
  let plot = null, isDue = false, isZoomed = false;

  const tableOf = () => {
    const tables = runs().map((run, n) => {
      const x = column(run.metrics, "epoch") || [];
      return [x, ...lines.filter((line) => line.run === n).map((line) => {
        const y = smoothed(x, column(run.metrics, line.name) || x.map(() => null), smoothing());
        return log.checked ? y.map((value) => (value !== null && value <= 0 ? null : value)) : y;
      })];
    });
    return tables.length === 1 ? tables[0] : globalThis.uPlot.join(tables);
  };
  const read = (u) => {
    const i = u.cursor.idx;
    if (i === null || i === undefined) { reading.textContent = ""; return; }
    const values = lines.map((line, n) => [line.label, u.data[n + 1][i]]).filter(([, v]) => isNumber(v)).map(([name, v]) => `${name} ${shown(v)}`);
    const near = several ? [] : runs()[0].marks.filter((mark) => Math.abs(mark.epoch - u.data[0][i]) <= 0.5).map((mark) => mark.text);
    reading.textContent = `epoch ${u.data[0][i]}: ${[...values, ...near].join(" · ")}`;
  };
  const make = () => {
    plot?.destroy();
    const data = tableOf();
    plot = new globalThis.uPlot(options(Math.max(200, place.clientWidth), lines, log.checked, data[0].length < MANY_POINTS, [(u) => drawMarks(u, runs())], [read],
      (u) => { isZoomed = u.data[0].length > 1 && (u.scales.x.min > u.data[0][0] || u.scales.x.max < u.data[0].at(-1)); }), data, place);
    lines.forEach((line, i) => line.isHidden && plot.setSeries(i + 1, { show: false }));
    plot.points = data[0].length < MANY_POINTS;
  };
  // Many events between two frames are one drawing; while part of the epochs is looked at, that part stays.
  const update = () => {
    if (isDue || !plot || !element.isConnected) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (!plot) return;
      const data = tableOf();
      if (plot.points !== data[0].length < MANY_POINTS) make();
      else if (isZoomed) { plot.setData(data, false); plot.redraw(); } else plot.setData(data);
    });
  };
  const all = () => { isZoomed = false; if (plot) plot.setData(tableOf()); };
  place.addEventListener("keydown", (event) => move(event, plot, all));
  const resize = new ResizeObserver(() => { const width = Math.max(200, place.clientWidth); if (plot && plot.width !== width) plot.setSize({ width, height: HEIGHT }); });
  const paint = () => { if (plot) make(); };
  return {
    element, update, all,
    mount: () => { make(); resize.observe(place); addEventListener("themechange", paint); },
    close: () => { resize.disconnect(); removeEventListener("themechange", paint); plot?.destroy(); plot = null; },
  };
};

const spread = (u, low, high) => !isNumber(low) ? [0, 1] : low === high ? [low - 0.5, high + 0.5] : [low, high];

const options = (width, lines, isLog, hasPoints, draw, setCursor, setScale) => {
  const axis = (size) => ({
    stroke: () => variable("--soft"), grid: { stroke: () => variable("--grid"), width: 1 }, ticks: { stroke: () => variable("--line"), width: 1 },
    font: "12px system-ui, sans-serif", size,
  });
  return {
    width, height: HEIGHT, legend: { show: false }, scales: { x: { time: false, range: spread }, y: isLog ? { distr: 3 } : {} },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    axes: [{ ...axis(32), values: (u, ticks) => ticks.map((t) => (Number.isInteger(t) ? t : "")) },
      { ...axis(62), values: (u, ticks) => ticks.map((t) => (t === null ? "" : brief(t))) }],
    series: [{}, ...lines.map((line) => ({ label: line.label, stroke: () => variable(`--c${line.colour}`), dash: line.dash, width: 1.75, spanGaps: lines.some((one) => one.run), points: { show: hasPoints, size: 5 } }))],
    hooks: { draw, setCursor, setScale: [(u, key) => key === "x" && setScale(u)] },
  };
};

// Dashed: the best epoch. Dotted: where it went on. Solid: where it failed.
const drawMarks = (u, runs) => {
  const { ctx, bbox } = u, dense = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  runs.forEach((run, n) => run.marks.forEach((mark) => {
    if (runs.length > 1 && mark.kind !== "best") return;
    const x = u.valToPos(mark.epoch, "x", true);
    ctx.strokeStyle = variable(mark.kind === "failed" ? "--bad" : runs.length > 1 ? `--c${n % COLOURS}` : "--soft");
    ctx.lineWidth = dense * 1.25;
    ctx.setLineDash(mark.kind === "best" ? [6 * dense, 4 * dense] : mark.kind === "resumed" ? [1.5 * dense, 3 * dense] : []);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }));
  ctx.restore();
};

const move = (event, u, all) => {
  if (!u || !u.data[0].length) return;
  if (event.key === "Escape") { all(); event.stopPropagation(); return; }
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
  if (steps === undefined) return;
  event.preventDefault();
  const last = u.data[0].length - 1, now = u.cursor.idx ?? (steps > 0 ? -1 : last + 1), to = Math.min(last, Math.max(0, now + steps));
  u.setCursor({ left: u.valToPos(u.data[0][to], "x"), top: HEIGHT / 2 });
};

const sample = (line) => s("svg", { viewBox: "0 0 26 10", "aria-hidden": "true", class: `s${line.colour}` },
  s("line", { x1: 0, y1: 5, x2: 26, y2: 5, "stroke-width": 2.5, stroke: "currentColor", "stroke-dasharray": line.dash.join(" ") || "none" }));
