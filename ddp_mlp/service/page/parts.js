// Parts of a run that are asked for when they are looked at: ranks, configuration, data, model.

import { get } from "./api.js";
import { empty, h, link, skeleton, table } from "./dom.js";
import { column, count, isNumber, isOver, shown } from "./logic.js";
import { predictForm } from "./predict.js";

const KINDS = [["compute_s", "compute"], ["communicate_s", "communicate"], ["data_s", "data"], ["wait_s", "wait"], ["other_s", "other"]];
const MOST_RANKS = 32;

// Shows what `load` gives, by `draw`; says why where it gives nothing.
const loaded = (load, draw, waiting) => {
  const element = h("div", {}, skeleton(waiting));
  let isClosed = false, found = null;
  const redraw = () => { if (found && !isClosed) element.replaceChildren(...[draw(found)].flat()); };
  const show = async () => {
    try {
      found = await load();
      redraw();
    } catch (error) { if (!isClosed) element.replaceChildren(empty("Nothing to show", error.detail || error.message)); }
  };
  return { element, mount: show, show, redraw, close: () => { isClosed = true; } };
};

export const ranksPart = ({ id, job, metrics }) => {
  const part = loaded(() => get(`jobs/${id}/ranks`), (found) => drawRanks(found, metrics()));
  const clock = setInterval(() => { if (job()?.state === "running") part.show(); }, 5000);
  let hasRows = false;
  const update = () => { if (!hasRows && metrics().rows.length) { hasRows = true; part.redraw(); } };
  return { ...part, update, close: () => { clearInterval(clock); part.close(); } };
};

const drawRanks = (found, metrics) => {
  const times = found.seconds || [], split = speedSplit(metrics), columns = KINDS.map(([, name]) => `${name}, s`);
  const parts = [found.sentence ? h("p", { class: "lead" }, found.sentence) : null, split];
  if (times.length) {
    const longest = times.map((one, rank) => [rank, one]).sort(([, a], [, b]) => b.compute_s - a.compute_s).slice(0, MOST_RANKS).sort(([a], [b]) => a - b);
    const few = times.length > longest.length ? ` (${MOST_RANKS} of ${times.length}, those that compute longest)` : "";
    parts.push(bars(`Seconds of each rank, by what it did${few}`, longest.map(([rank, one]) => [`rank ${rank}`, KINDS.map(([key]) => one[key] || 0)]), KINDS.map(([, name]) => name)),
      h("details", {}, h("summary", {}, "All ranks in numbers"), table(["rank", ...columns], times.map((one, rank) => [rank, ...KINDS.map(([key]) => shown(one[key]))]), { caption: "Seconds of each rank", numeric: (i) => i > 0 })));
  } else {
    parts.push(empty("No ranks to compare", found.ranks > 1 ? "The seconds of each rank come with the first checkpoint." : "One rank has nobody to wait for. With more of them, their seconds stand here: computing, communicating, waiting."));
  }
  return parts.filter(Boolean);
};

// Where the seconds of the last epoch went.
const speedSplit = (metrics) => {
  const last = (name) => column(metrics, name)?.at(-1), wall = last("wall_s");
  const known = [["compute", last("compute_s")], ["communicate", last("communicate_s")], ["data", last("data_s")]].filter(([, value]) => isNumber(value));
  if (!isNumber(wall) || !known.length) return null;
  const rest = Math.max(0, wall - known.reduce((sum, [, value]) => sum + value, 0));
  return bars(`The last epoch took ${shown(wall)} s`, [["epoch", [...known.map(([, value]) => value), rest]]], [...known.map(([name]) => name), "other"]);
};

const COLOUR = { ...Object.fromEntries(KINDS.map(([, name], i) => [name, `s${i}`])), rise: "s0" };

const bars = (title, lines, names, { unit = " s", legend = true } = {}) => {
  const sum = (values) => values.reduce((all, value) => all + value, 0), longest = Math.max(...lines.map(([, values]) => sum(values))) || 1;
  const part = (value, i, name) => {
    const one = h("i", { class: COLOUR[names[i]], title: `${name}: ${names[i]} ${shown(value)}${unit}` });
    one.style.width = `${100 * value / longest}%`;
    return one;
  };
  const said = lines.slice(0, 8).map(([name, values]) => `${name}: ${values.map((value, i) => `${names[i]} ${shown(value)}${unit}`).join(", ")}`).join("; ");
  return h("figure", { class: "bars" }, h("figcaption", {}, h("span", {}, title)), h("div", { class: "stacks", role: "img", "aria-label": `${title}. ${said}` },
    lines.map(([name, values]) => [h("span", {}, name), h("div", { class: "stack" }, values.map((value, i) => part(value, i, name)))])),
    legend ? h("ul", { class: "legend" }, names.map((name) => h("li", {}, h("span", { class: `swatch ${COLOUR[name]}`, "aria-hidden": "true" }, "■"), name))) : null);
};

export const configurationPart = ({ detail }) => {
  const element = h("div", {}, skeleton());
  const update = () => {
    const found = detail();
    if (!found || element.dataset.done) return;
    element.dataset.done = found.resolved ? "yes" : "";
    const changes = Object.entries(found.overrides || {});
    element.replaceChildren(...[
      found.understood ? h("p", { class: "lead" }, found.understood.replace(/^data: /, "")) : null,
      found.command ? h("section", {}, h("h2", {}, "Command"), h("code", { class: "block" }, found.command)) : null,
      changes.length ? h("section", {}, h("h2", {}, "Changes"), table(["key", "value"], changes.map(([key, value]) => [key, JSON.stringify(value)]), { caption: "Keys that were set beside the text" })) : null,
      h("section", {}, h("h2", {}, "As submitted"), h("pre", { tabindex: "0" }, found.config || "")),
      found.resolved ? h("details", {}, h("summary", {}, "As resolved: every key and its value"), h("pre", { tabindex: "0" }, found.resolved)) : null,
    ].filter(Boolean));
  };
  return { element, mount: update, update };
};

const MOST_BARS = 20;

export const dataPart = ({ id }) => loaded(() => get(`jobs/${id}/health`), (found) => {
  const features = found.features || [], drifts = [...new Set(features.flatMap((one) => Object.keys(one.drift || {})))];
  const percent = (value) => isNumber(value) ? `${+(100 * value).toPrecision(3)} %` : "–";
  const columns = ["feature", "lowest", "highest", "mean", "spread", "missing", ...drifts.map((name) => `drift to ${name}`), "remarks"];
  const rows = features.map((one) => [one.name, ...[one.low, one.high, one.mean, one.spread].map(shown), percent(one.missing), ...drifts.map((name) => shown(one.drift?.[name])), (one.remarks || []).join(", ")]);
  if (!features.length) return [empty("Nothing to show", found.reason ? `${found.reason[0].toUpperCase()}${found.reason.slice(1)}.` : "The data of this run are not here any more.")];
  const remarkable = features.filter((one) => (one.remarks || []).length).length;
  return [h("p", { class: "lead" }, `${count(features.length, "feature")}, ${remarkable ? `${shown(remarkable)} with a remark` : "none constant, missing or drifting"}.`),
    found.reason ? h("p", { class: "hint" }, found.reason) : null, importance(found.importance || []),
    table(columns, rows, { caption: "Features, as they are in the rows that train; drift is 0 for none to 1 for all", numeric: (i) => i > 0 && i < columns.length - 1 })].filter(Boolean);
}, "Looking at the rows; this takes a few seconds…");

// How much the loss rises where a feature is shuffled.
const importance = (found) => found.length ? bars("What the answers depend on: the rise of the loss where a feature is shuffled",
  found.slice(0, MOST_BARS).map(({ name, rise }) => [name, [Math.max(0, rise)]]), ["rise"], { unit: "", legend: false }) : null;

const EXPORTS = [["onnx", "ONNX", "runs everywhere, normalisation inside"], ["safetensors", "safetensors", "for PyTorch, without pickle"], ["npz", "NPZ", "arrays of NumPy"],
  ["c", "C", "one file, no library"], ["sklearn", "scikit-learn", "an estimator, as skops"]];
const exportsOf = (job) => job.kind === "ensemble" ? EXPORTS.slice(0, 1) : EXPORTS;
const FILES = [["model.h5", "the model"], ["config.toml", "the configuration as resolved"], ["metrics.csv", "every epoch"], ["log.txt", "the log"]];
const OF_STUDIES = [["trials.csv", "settings and scores of each"]];

export const modelPart = ({ id, job }) => {
  const element = h("div", {}, skeleton());
  const update = () => {
    const now = job();
    if (!now || element.dataset.state === now.state) return;
    element.dataset.state = now.state;
    const files = (list) => h("section", {}, h("h2", {}, "Files of the run"), h("ul", { class: "downloads" }, list.map(([name, text]) => item(`api/v1/jobs/${id}/files/${name}`, name, text))));
    const item = (href, name, text) => h("li", {}, link(name, href, { class: "button", download: "" }), h("span", { class: "hint" }, text));
    if (!now.best && now.state !== "finished") {
      element.replaceChildren(empty("No model yet", isOver(now) ? "The run ended before its first epoch did." : "The model of the best epoch is here as soon as one has ended."));
      delete element.dataset.state;
      return;
    }
    if (["search", "cross-validate"].includes(now.kind)) {
      element.replaceChildren(empty("A model for each trial", "The log names the best one, and the report compares them."), files(OF_STUDIES));
      return;
    }
    element.replaceChildren(...[
      h("section", {}, h("h2", {}, "Answer a table"), predictForm(id)),
      h("section", {}, h("h2", {}, "Take the model along"), h("p", { class: "hint" }, "Each gives the answers of the run, of raw features."), h("ul", { class: "downloads" }, exportsOf(now).map(([format, name, text]) => item(`api/v1/jobs/${id}/export?format=${format}`, name, text)))),
      ...(now.kind === "train" ? [files(FILES)] : [files(OF_STUDIES)]),
    ]);
  };
  return { element, mount: update, update };
};
