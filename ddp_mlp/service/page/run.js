// One run: how it is, its curves while they grow, and what can be done with it.

import { Refused, get } from "./api.js";
import { removeJobs, resume, stop } from "./actions.js";
import { curves, marksOf } from "./curves.js";
import { badge, button, empty, h, link, say, setAttr, setBadge, setText, skeleton, trouble } from "./dom.js";
import { count, duration, isActive, isNumber, isOver, label, mergeRow, part, settled, shown, situation, tag, took } from "./logic.js";
import { listen, store } from "./store.js";
import { configurationPart, dataPart, modelPart, ranksPart } from "./parts.js";
import { logPart } from "./log.js";

const PARTS = [["curves", "Curves"], ["ranks", "Ranks"], ["configuration", "Configuration"], ["log", "Log"], ["data", "Data"], ["model", "Model"]];
const OTHERS = { ranks: ranksPart, configuration: configurationPart, log: logPart, data: dataPart, model: modelPart };

export const runView = (id, tab = "curves") => {
  let job = store.jobs.get(id) || null, detail = null, metrics = { columns: [], rows: [] }, waiting = [], open = null, now = null, isClosed = false;
  const head = headOf(id, () => job), place = h("div", { class: "part" });
  const tabs = h("nav", { class: "tabs", "aria-label": "Parts of this run" }, PARTS.map(([key, text]) => link(text, `#/runs/${id}/${key}`, { "data-part": key })));
  const element = h("article", { class: "run" }, link("All runs", "#/runs", { class: "up" }), head.element, tabs, place);
  const drawn = curves(() => [{ name: job?.name || "", metrics, marks: job ? marksOf(job, metrics) : [] }]);

  const curvesPart = () => {
    const none = h("div", {}), box = h("div", {}, none, drawn.element);
    const update = () => {
      const hasRows = metrics.rows.length > 0;
      drawn.element.hidden = !hasRows;
      none.replaceChildren(...(hasRows ? [] : [waiting === null ? noCurves(job) : skeleton("Loading curves…")]));
      if (hasRows) drawn.update();
    };
    return { element: box, update, close: drawn.close, mount: update };
  };
  const showPart = (key) => {
    const made = PARTS.some(([one]) => one === key) ? key : "curves";
    if (made === now) return;
    now = made;
    open?.close?.();
    open = made === "curves" ? curvesPart() : OTHERS[made]({ id, job: () => job, detail: () => detail, metrics: () => metrics });
    place.replaceChildren(open.element);
    open.mount?.();
    [...tabs.children].forEach((one) => setAttr(one, "aria-current", one.dataset.part === made ? "true" : null));
    showTab();
  };
  const showTab = () => { tabs.scrollLeft = tabs.querySelector("[aria-current]").offsetLeft - tabs.offsetLeft - 40; };
  const show = (next) => {
    const before = job;
    job = next;
    head.update(job);
    if (before && before.state !== job.state) { say(`${job.name} is ${job.state}`); reload().catch(() => {}); } else open?.update?.();
  };
  const missing = (error) => {
    const isMissing = error instanceof Refused && error.status === 404;
    if (!isMissing) { trouble(error); return; }
    element.replaceChildren(link("All runs", "#/runs", { class: "up" }), h("h1", { tabindex: "-1" }, `Run ${id}`), empty("No such run", "It was removed, or never was.", link("All runs", "#/runs", { class: "button" })));
  };
  const reload = async () => {
    detail = await get(`jobs/${id}`);
    if (isClosed) return;
    const found = await get(`jobs/${id}/metrics?thin=true`);
    if (isClosed) return;
    metrics = settled(found);
    (waiting || []).filter((row) => !(row.epoch <= metrics.rows.at(-1)?.[metrics.columns.indexOf("epoch")])).forEach((row) => mergeRow(metrics, row));
    waiting = null;
    job = { ...detail };
    head.update(job);
    dispatchEvent(new CustomEvent("titlechange", { detail: job.name }));
    open?.update?.();
  };
  const stops = [
    listen("job", (one) => { if (one.id === id) show(one); }),
    listen("epoch", (event) => {
      if (event.id !== id) return;
      if (waiting) waiting.push(event.row); else mergeRow(metrics, event.row);
      if (now === "curves" && !waiting) open.update();
    }),
    listen("removed", (one) => { if (one === id) missing(new Refused(404, {})); }),
    listen("again", () => reload().catch(() => {})),
    listen("list", () => { const one = store.jobs.get(id); if (!job && one) show(one); }),
  ];
  const clock = setInterval(() => { if (job && isActive(job)) head.update(job); }, 1000);
  showPart(tab);
  requestAnimationFrame(() => showTab());
  if (job) head.update(job);
  const load = () => reload().catch((error) => { if (store.session) missing(error); });
  if (store.session) load(); else stops.push(listen("session", () => { if (waiting) load(); }));
  const act = () => { if (job && document.documentElement.dataset.readOnly !== "yes") { if (isOver(job)) { if (job.state !== "finished") resume(job); } else stop(job); } };
  return {
    title: job?.name || `Run ${id}`, element,
    moves: (hash) => { const found = new RegExp(`^#/runs/${id}(?:/(\\w+))?$`).exec(hash); if (found) showPart(found[1] || "curves"); return Boolean(found); },
    close: () => { isClosed = true; stops.forEach((end) => end()); clearInterval(clock); open?.close?.(); },
    keys: { s: act, c: () => { location.hash = `#/new/${id}`; }, ...Object.fromEntries(PARTS.map(([key], i) => [String(i + 1), () => { location.hash = `#/runs/${id}/${key}`; }])) },
  };
};

const STUDIES = { search: "A search of many runs", "cross-validate": "A run for each fold", ensemble: "A run for each member" };

const noCurves = (job) => !job ? skeleton()
  : STUDIES[job.kind] && job.started_utc ? empty(STUDIES[job.kind], isOver(job) ? "Their scores and curves stand beside each other in the report." : "They are under way; the log tells of each, and the report of those that are done.",
    link("Report", `api/v1/jobs/${job.id}/report`, { class: "button primary", target: "_blank", rel: "noopener" }), link("Log", `#/runs/${job.id}/log`, { class: "button" }))
  : job.state === "queued" ? empty("It waits", `${job.waits_for ? `This run waits for ${job.waits_for}.` : "This run waits for its turn."} It starts by itself.`)
  : isOver(job) ? empty("No curves", "It ended before its first epoch did; the log says more.", link("Log", `#/runs/${job.id}/log`, { class: "button" }))
  : empty("The first epoch is under way", "Curves begin when it ends; kernels are compiled first where this machine has none yet.");

const headOf = (id, jobOf) => {
  const title = h("h1", { tabindex: "-1" }, `Run ${id}`), state = badge("queued"), tagged = h("span", { class: "id" }, `#${id}`), line = h("p", { class: "situation" }), bad = h("p", { class: "trouble", hidden: true });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" }), percent = h("span", { class: "percent" });
  const actions = {
    stop: button("Stop", () => stop(jobOf()), { class: "writes" }), resume: button("Resume", () => resume(jobOf()), { class: "primary writes" }),
    clone: link("Clone", `#/new/${id}`, { class: "button writes" }), report: link("Report", `api/v1/jobs/${id}/report`, { class: "button", target: "_blank", rel: "noopener" }),
    remove: button("Remove", async () => { if (await removeJobs([jobOf()])) location.hash = "#/runs"; }, { class: "plain writes" }),
  };
  const values = ["best", "train", "valid", "speed", "time", "workers"].map((key) => {
    const value = h("span", {}), small = h("small", {});
    return [key, h("dt", {}), h("dd", {}, value, small), value, small];
  });
  const tiles = Object.fromEntries(values.map(([key, dt, , value, small]) => [key, (name, text, more = "") => { setText(dt, name); setText(value, text); setText(small, more); }]));
  const ofOneRun = values.filter(([key]) => ["best", "train", "valid", "speed"].includes(key));
  const element = h("header", { class: "runhead" },
    h("div", { class: "head" }, h("div", { class: "title" }, title, tagged, state), h("div", { class: "actions" }, Object.values(actions))),
    bad, h("div", { class: "going" }, bar, percent, line), h("dl", { class: "tiles" }, values.map(([key, dt, dd]) => h("div", { "data-tile": key }, dt, dd))));
  const update = (job) => {
    const focused = document.activeElement, { latest = {}, progress } = job, p = progress || {};
    setText(title, job.name);
    setText(tagged, tag(job));
    setBadge(state, job.state);
    setText(line, job.state === "failed" ? (p.epoch ? `after ${count(p.epoch, "epoch")}` : "before its first epoch ended") : situation(job));
    bad.hidden = job.state !== "failed";
    setText(bad, bad.hidden ? "" : `${job.reason || "It ended without a word"}${job.exit_code ? ` (exit code ${job.exit_code})` : ""}`);
    bar.value = part(job);
    setText(percent, `${Math.floor(100 * part(job))} %`);
    setAttr(element, "data-state", job.state);
    actions.stop.hidden = isOver(job);
    actions.stop.disabled = job.state === "stopping";
    setText(actions.stop, job.state === "queued" ? "Take out of the queue" : job.state === "stopping" ? "Stopping…" : "Stop");
    actions.resume.hidden = !["stopped", "failed"].includes(job.state);
    actions.report.hidden = !job.started_utc;
    actions.remove.disabled = isActive(job);
    setAttr(actions.remove, "title", isActive(job) ? "Stop it first" : null);
    if (focused?.hidden && element.contains(focused)) (actions.resume.hidden ? actions.stop.hidden ? actions.clone : actions.stop : actions.resume).focus();
    ofOneRun.forEach(([, dt]) => { dt.parentElement.hidden = Boolean(STUDIES[job.kind]) && !job.best; });
    tiles.best("Best", job.best ? shown(job.best.value) : "–", job.best ? `${label(job.best.metric)}, epoch ${shown(job.best.epoch)}` : "no epoch has ended");
    tiles.train("Training loss", shown(latest.train_loss), "last epoch");
    tiles.valid("Validation loss", shown(latest.valid_loss), isNumber(latest.train_loss) && !isNumber(latest.valid_loss) ? "no rows validate" : "last epoch");
    tiles.speed("Speed", isNumber(p.samples_per_s) ? shown(Math.round(p.samples_per_s)) : "–", "samples per second");
    const time = took(job);
    tiles.time("Time", time === null ? "–" : duration(time), isActive(job) && isNumber(p.remaining_s) ? `${duration(p.remaining_s)} left` : job.restarts ? count(job.restarts, "restart") : "");
    tiles.workers("Workers", count(job.ranks || 1, "rank"), `${count(job.threads || 1, "thread")} each${job.priority ? `, priority ${job.priority}` : ""}`);
  };
  return { element, update };
};
