// The list of runs: live, one row changed for each event; rows beyond the first hundred are made when they are scrolled to.

import { removeJobs, stop } from "./actions.js";
import { badge, button, empty, h, link, s, say, setAttr, setBadge, setText, skeleton } from "./dom.js";
import { ago, counts, isActive, isOver, label, matches, part, shown, situation, sorted, sparkPath, tag } from "./logic.js";
import { listen, seek, store } from "./store.js";

const STEP = 100, WIDTH = 132, HEIGHT = 30, MOST_COMPARED = 10;
const HEADS = [["name", "Run"], ["state", "State"], ["progress", "Progress"], [null, "Loss"], ["best", "Best"], ["speed", "Samples/s"], ["created", "Created"]];
const FILTERS = ["", "running", "queued", "stopped", "finished", "failed"];
const marked = new Set();  // stays while other views are looked at

export const runsView = (query) => {
  const filter = { state: query.get("state") || "", search: query.get("search") || "", sort: query.get("sort") || "created" };
  const rows = new Map(), body = h("tbody", { role: "rowgroup" });
  let limit = STEP, order = [], isDue = false;

  const search = h("input", { type: "search", id: "search", value: filter.search, placeholder: "Search name, number, kind, state", "aria-label": "Search runs", oninput: () => { filter.search = search.value; narrow(); } });
  const tabs = h("div", { class: "filters", role: "group", "aria-label": "Runs by state" }, FILTERS.map((state) => {
    const tab = button("", () => { filter.state = state; narrow(); }, { "data-state": state, "aria-pressed": String(state === filter.state) });
    tab.append(h("span", {}, state || "all"), h("span", { class: "count" }));
    return tab;
  }));
  const sorting = h("select", { "aria-label": "Sort runs", id: "sort", onchange: () => { filter.sort = sorting.value; narrow(); } },
    HEADS.filter(([key]) => key).map(([key, text]) => h("option", { value: key, selected: key === filter.sort.replace("-", "") }, `by ${text.toLowerCase()}`)));
  const heads = HEADS.map(([key, text]) => h("th", { scope: "col", role: "columnheader", class: key === "best" || key === "speed" ? "number" : null, "data-key": key },
    key ? button(text, () => { filter.sort = filter.sort === key ? `-${key}` : key; narrow(); }, { class: "plain" }) : text));
  const all = h("input", { type: "checkbox", "aria-label": "Mark all runs that are shown", onchange: () => { order.slice(0, limit).forEach((job) => mark(job, all.checked)); showBulk(); } });
  const table = h("table", { class: "runs", role: "table", "aria-label": "Runs" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, h("th", { scope: "col", role: "columnheader", class: "pick" }, all), heads)), body);
  const more = button("Show more", () => { limit += STEP; arrange(); }, { class: "more" });
  const state = h("div", { class: "state" }), bulk = h("div", { class: "bulk", role: "region", "aria-label": "Marked runs", hidden: true });
  const element = h("section", { class: "list" },
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Runs"), link("New run", "#/new", { class: "button primary writes" })),
    h("div", { class: "tools" }, tabs, h("div", { class: "find" }, search, sorting)), table, more, state, bulk);

  // -- what is shown, and in which order --
  const narrow = () => {
    limit = STEP;
    const used = new URLSearchParams(Object.entries(filter).filter(([key, value]) => value && !(key === "sort" && value === "created")));
    history.replaceState(null, "", `#/runs${used.size ? `?${used}` : ""}`);
    arrange();
    seek(filter).catch(() => {});
  };
  const arrange = () => {
    isDue = false;
    order = sorted([...store.jobs.values()].filter((job) => matches(job, filter)), filter.sort);
    const wanted = order.slice(0, limit), focused = document.activeElement;
    const elements = wanted.map((job) => { const row = rows.get(job.id) || makeRow(job); row.update(job); return row.element; });
    if (elements.length !== body.children.length || elements.some((one, i) => one !== body.children[i])) body.replaceChildren(...elements);
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    more.hidden = order.length <= limit;
    setText(more, `Show more (${shown(order.length - limit)} others)`);
    showHeads();
    showState();
    showBulk();
  };
  const later = () => { if (!isDue) { isDue = true; setTimeout(arrange, 250); } };
  const showHeads = () => {
    heads.forEach((head) => setAttr(head, "aria-sort", head.dataset.key && head.dataset.key === filter.sort.replace("-", "")
      ? ((filter.sort[0] === "-") === ["created", "speed", "progress"].includes(head.dataset.key) ? "ascending" : "descending") : null));
    const found = counts(store.jobs.values());
    [...tabs.children].forEach((tab) => {
      const { state: of } = tab.dataset;
      setAttr(tab, "aria-pressed", String(of === filter.state));
      setText(tab.querySelector(".count"), shown(of ? found[of] : Math.max(store.total, found[""])));
    });
  };
  const showState = () => {
    const kind = !store.isLoaded ? "loading" : order.length ? "" : store.jobs.size ? "nothing" : "empty";
    table.hidden = !order.length;
    if (state.dataset.kind === kind) return;
    state.dataset.kind = kind;
    state.replaceChildren(...(kind === "loading" ? [skeleton("Looking for runs…")] : kind === "nothing"
      ? [empty("No run fits", "Other runs are hidden by the search or the state.", button("Show all runs", () => { Object.assign(filter, { state: "", search: "" }); search.value = ""; narrow(); search.focus(); }))]
      : kind === "empty" ? [empty("No runs yet", "Start the first from a form or from a configuration you have; its curves appear here while it learns.",
        link("New run", "#/new", { class: "button primary writes" }), link("Upload a table", "#/data", { class: "button writes" }))] : []));
  };

  // -- rows --
  const mark = (job, isMarked) => {
    if (isMarked) marked.add(job.id); else marked.delete(job.id);
    const row = rows.get(job.id);
    if (row) { row.box.checked = isMarked; row.element.classList.toggle("marked", isMarked); }
  };
  const makeRow = (job) => {
    const row = rowOf(job, (isMarked) => { mark(job, isMarked); showBulk(); });
    rows.set(job.id, row);
    return row;
  };
  const showBulk = () => {
    const jobs = [...marked].map((id) => store.jobs.get(id)).filter(Boolean), n = jobs.length, focused = document.activeElement?.dataset?.act;
    bulk.hidden = !n;
    all.checked = n > 0 && order.slice(0, limit).every((job) => marked.has(job.id));
    all.indeterminate = n > 0 && !all.checked;
    if (!n) return;
    bulk.replaceChildren(h("strong", {}, `${shown(n)} marked`),
      button("Compare", compare, { class: "primary", disabled: n < 2 || n > MOST_COMPARED, "data-act": "compare", title: "Two to ten runs beside each other" }),
      button("Stop", () => jobs.filter((job) => !isOver(job)).forEach(stop), { class: "writes", disabled: !jobs.some((job) => !isOver(job)), "data-act": "stop" }),
      button("Remove", async () => { if (await removeJobs(jobs)) clear(); }, { class: "writes", disabled: jobs.some(isActive), "data-act": "remove" }),
      button("Mark none", clear, { class: "plain", "data-act": "none" }),
      n > MOST_COMPARED ? h("span", { class: "hint" }, `${MOST_COMPARED} can be compared`) : n < 2 ? h("span", { class: "hint" }, "mark another to compare") : null);
    if (focused) bulk.querySelector(`[data-act="${focused}"]`)?.focus();
  };
  const compare = () => { if (marked.size >= 2 && marked.size <= MOST_COMPARED) location.hash = `#/compare/${[...marked].join(",")}`; else say("Mark two to ten runs to compare them"); };
  const clear = () => { [...marked].forEach((id) => mark({ id }, false)); marked.clear(); showBulk(); };
  const step = (by) => {
    const links = [...body.querySelectorAll("a.name")], at = links.findIndex((one) => one.closest("tr").contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus();
  };

  const observer = new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting) && order.length > limit) { limit += STEP; arrange(); } }, { rootMargin: "400px" });
  observer.observe(more);
  const changed = (job) => { const row = rows.get(job.id); if (row) row.update(job); later(); };
  const stops = [listen("job", changed), listen("list", () => { if (order.length) later(); else arrange(); }), listen("removed", (id) => { marked.delete(id); rows.delete(id); later(); })];
  const clock = setInterval(() => rows.forEach((row, id) => { if (row.element.isConnected && store.jobs.has(id)) row.tick(store.jobs.get(id)); }), 30_000);
  arrange();
  return {
    title: "Runs", element, close: () => { stops.forEach((end) => end()); observer.disconnect(); clearInterval(clock); },
    keys: {
      "/": () => search.focus(), j: () => step(1), k: () => step(-1), c: compare, Escape: clear,
      x: () => { const row = [...rows.values()].find((one) => one.element.contains(document.activeElement)); if (row) row.box.click(); },
    },
  };
};

// One row, which changes in place.
const rowOf = (job, onmark) => {
  const box = h("input", { type: "checkbox", "aria-label": `Mark ${job.name}, run ${job.id}`, checked: marked.has(job.id), onchange: () => onmark(box.checked) });
  const name = link("", `#/runs/${job.id}`, { class: "name" }), id = h("span", { class: "id" }, tag(job)), line = h("p", { class: "situation" });
  const state = badge(job.state), bar = h("progress", { max: 1, "aria-label": `Progress of run ${job.id}` }), percent = h("span", { class: "percent" });
  const curve = s("path", {}), spark = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, curve);
  const best = h("span", { class: "value" }), metric = h("span", { class: "metric" }), speed = h("span", {}), created = h("time", {});
  const cell = (kind, ...children) => h("td", { role: "cell", class: kind }, ...children);
  const element = h("tr", { role: "row", "data-id": job.id, class: marked.has(job.id) ? "marked" : null, onclick: (event) => {
    if (!event.target.closest("a, input, button") && !String(getSelection())) name.click();
  } },
    cell("pick", h("label", { class: "hit" }, box)), h("th", { role: "rowheader", scope: "row", class: "who" }, h("div", { class: "title" }, name, id), line),
    cell("how", state), cell("progress", bar, percent), cell("curve", spark), cell("best number", best, metric), cell("speed number", speed), cell("created", created));
  let known = null;
  const tick = (now) => { setText(created, ago(now.created_utc)); };
  const update = (now) => {
    if (now === known) return;
    known = now;
    setText(name, now.name);
    setText(line, situation(now));
    setAttr(line, "title", now.reason);
    line.classList.toggle("bad", now.state === "failed");
    setBadge(state, now.state);
    bar.value = part(now);
    bar.hidden = now.state === "queued" && !part(now);
    setText(percent, bar.hidden || now.state === "finished" ? "" : `${Math.floor(100 * part(now))} %`);
    setAttr(element, "data-state", now.state);
    setAttr(curve, "d", sparkPath(now.sparkline || [], WIDTH, HEIGHT));
    setText(best, now.best ? shown(now.best.value) : "–");
    setText(metric, now.best ? `${label(now.best.metric)}, epoch ${shown(now.best.epoch)}` : "");
    setText(speed, now.progress?.samples_per_s ? shown(Math.round(now.progress.samples_per_s)) : "–");
    setAttr(created, "datetime", now.created_utc);
    tick(now);
  };
  return { element, box, update, tick };
};
