// Up to ten runs beside each other: their scores, the keys in which they differ, their curves laid over each other.

import { get } from "./api.js";
import { curves, marksOf } from "./curves.js";
import { badge, empty, h, link, setBadge, setText, skeleton } from "./dom.js";
import { count, duration, isNumber, label, mergeRow, settled, shown, took, unlike, winnerOf } from "./logic.js";
import { listen, store } from "./store.js";

export const compareView = (ids) => {
  const title = h("h1", { tabindex: "-1" }, "Compare"), place = h("div", {}, skeleton("Laying curves over each other…"));
  const element = h("section", { class: "compare" }, link("All runs", "#/runs", { class: "up" }), title, place);
  let runs = [], drawn = null, cells = new Map(), differs = [], isClosed = false;

  const load = async () => {
    const found = await get(`compare?ids=${ids.join(",")}`);
    if (isClosed) return;
    runs = found.jobs.map((job) => ({ job, name: `#${job.id} ${job.name}`, metrics: settled(found.metrics[job.id] || { columns: [], rows: [] }) }));
    setText(title, `${count(runs.length, "run")} beside each other`);
    drawn?.close();
    drawn = curves(() => runs.map((run) => ({ ...run, marks: marksOf(run.job, run.metrics) })));
    place.replaceChildren(h("h2", {}, "What differs"), tableOf(found), h("h2", {}, "Curves"), drawn.element);
    drawn.update();
  };
  const tableOf = (found) => {
    cells = new Map(found.jobs.map((job) => [job.id, cellsOf(job)]));
    const values = found.jobs.map((job) => job.best?.value).filter(isNumber), other = unlike(found.differs);
    differs = found.differs;
    crown();
    const row = (name, cell, kind = null) => h("tr", { class: kind }, h("th", { scope: "row" }, name), found.jobs.map(cell));
    const text = (value) => value === null || value === undefined ? "–" : Array.isArray(value) ? JSON.stringify(value) : shown(value);
    return h("div", {}, other && values.length > 1 ? h("p", { class: "hint" }, `No best among them: runs that differ in ${other} are not measured alike.`) : "", h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Runs, and what differs" }, h("table", { class: "differs" },
      h("thead", {}, h("tr", {}, h("td", {}), found.jobs.map((job, i) => h("th", { scope: "col" }, h("span", { class: `swatch s${i % 8}`, "aria-hidden": "true" }, "■"), link(job.name, `#/runs/${job.id}`), h("span", { class: "id" }, `#${job.id}`))))),
      h("tbody", {}, row("State", (job) => h("td", {}, cells.get(job.id).state)),
        row("Best", (job) => cells.get(job.id).place),
        row("Epochs", (job) => h("td", {}, cells.get(job.id).epochs)), row("Time", (job) => h("td", {}, cells.get(job.id).time)), row("Samples/s", (job) => h("td", {}, cells.get(job.id).speed))),
      h("tbody", {}, found.differs.length ? found.differs.map(({ key, values: all }) => row(h("code", {}, key.split(/(?<=[._])/).flatMap((piece) => [piece, h("wbr")])), (job, i) => h("td", {}, text(all[i])), "key"))
        : h("tr", {}, h("th", { scope: "row" }, "Configuration"), h("td", { colspan: found.jobs.length }, "the same in all of them"))))));
  };
  const cellsOf = (job) => {
    const made = { state: badge(job.state), best: h("span"), place: h("td"), epochs: h("span"), time: h("span"), speed: h("span") };
    fillCells(made, job);
    return made;
  };
  const crown = () => {
    const winner = winnerOf(runs.map((run) => run.job), differs);
    for (const [id, { best, place: cell }] of cells) {
      cell.classList.toggle("winner", id === winner);
      cell.replaceChildren(best, ...(id === winner ? [h("span", { class: "crown" }, "best")] : []));
    }
  };
  const fillCells = (made, job) => {
    setBadge(made.state, job.state);
    setText(made.best, job.best ? `${shown(job.best.value)} ${label(job.best.metric)}` : "–");
    setText(made.epochs, `${shown(job.progress?.epoch)}${job.progress?.epochs ? ` of ${shown(job.progress.epochs)}` : ""}`);
    setText(made.time, took(job) === null ? "–" : duration(took(job)));
    setText(made.speed, shown(job.progress?.samples_per_s ? Math.round(job.progress.samples_per_s) : null));
  };
  const fail = (error) => place.replaceChildren(empty("These cannot be compared", error.detail || error.message, link("All runs", "#/runs", { class: "button" })));
  const begin = () => load().catch(fail);
  const stops = [
    listen("job", (job) => { const run = runs.find((one) => one.job.id === job.id); if (run) { run.job = job; fillCells(cells.get(job.id), job); crown(); } }),
    listen("epoch", (event) => { const run = runs.find((one) => one.job.id === event.id); if (run) { mergeRow(run.metrics, event.row); drawn?.update(); } }),
    listen("again", begin),
  ];
  if (store.session) begin(); else stops.push(listen("session", () => { if (!runs.length) begin(); }));
  return { title: "Compare", element, close: () => { isClosed = true; stops.forEach((end) => end()); drawn?.close(); } };
};
