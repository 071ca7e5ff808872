// The frame of the page: which view is shown, what the header says, and the keys.

import { h, say, setText } from "./dom.js";
import { compareView } from "./compare.js";
import { dataView } from "./data.js";
import { newView } from "./new.js";
import { runView } from "./run.js";
import { runsView } from "./runs.js";
import { handleKeys, showHelp } from "./keys.js";
import { count } from "./logic.js";
import { listen, start, store } from "./store.js";

const ROUTES = [
  [/^#?\/?(?:runs)?(\?.*)?$/, "runs", (query) => runsView(new URLSearchParams(query || ""))],
  [/^#\/runs\/(\d+)(?:\/(\w+))?$/, "runs", (id, tab) => runView(Number(id), tab)],
  [/^#\/new(?:\/(\d+))?(\?.*)?$/, "new", (id, query) => newView(id ? Number(id) : null, new URLSearchParams(query || ""))],
  [/^#\/compare\/([\d,]+)$/, "runs", (ids) => compareView(ids.split(",").map(Number))],
  [/^#\/data$/, "data", () => dataView()],
];

const main = document.getElementById("main");
let view = null, shownHash = null;

const viewOf = (hash) => {
  for (const [pattern, page, make] of ROUTES) {
    const found = pattern.exec(hash);
    if (found) return { page, ...make(...found.slice(1)) };
  }
  return { page: "", title: "No such page", element: h("section", {}, h("h1", { tabindex: "-1" }, "No such page"), h("p", {}, h("a", { href: "#/runs" }, "All runs"))) };
};

// A view may take a change of the address by itself (`moves`), as one between the parts of a run is.
const show = (isFirst = false) => {
  const { hash } = location;
  if (hash === "#main") { main.focus(); history.replaceState(null, "", shownHash || "#/runs"); return; }
  shownHash = hash;
  if (view?.moves?.(hash)) return;
  view?.close?.();
  view = viewOf(hash);
  main.replaceChildren(view.element);
  document.querySelectorAll("nav [data-page]").forEach((one) => {
    if (one.dataset.page === view.page) one.setAttribute("aria-current", "page"); else one.removeAttribute("aria-current");
  });
  setTitle();
  if (isFirst) return;
  scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
};

const setTitle = () => { document.title = `${view.title} · ddp-mlp`; };
addEventListener("titlechange", (event) => { view.title = event.detail; setTitle(); });

const showConnection = () => {
  const words = { connecting: "connecting", live: "live", lost: "connection lost", denied: "signed out" }[store.connection];
  const place = document.getElementById("connection"), banner = document.getElementById("banner");
  place.dataset.state = store.connection;
  setText(place.querySelector(".words"), words);
  const text = store.connection === "lost" ? "Connection lost, trying again. Runs go on without the server; what is shown may be old."
    : store.connection === "denied" ? "Signed out: open the link that ddp-mlp serve printed, which carries the token." : "";
  if (banner.hidden && !text) return;
  if (!banner.hidden && !text) say("Connected again");
  banner.hidden = !text;
  setText(banner, text);
};

const showMachine = () => {
  const { session } = store, free = session.cores_free;
  const running = [...store.jobs.values()].filter((job) => job.state === "running").length;
  setText(document.getElementById("machine"), session.slurm ? "runs on Slurm" : `${free} of ${count(session.cores, "core")} free`);
  document.getElementById("machine").title = `${session.directory}\nddp-mlp ${session.version}, ${count(running, "run")} running`;
  document.getElementById("to-new").hidden = session.read_only;
  document.documentElement.dataset.readOnly = session.read_only ? "yes" : "no";
};

document.getElementById("theme").addEventListener("click", () => globalThis.switchTheme());
document.getElementById("help").addEventListener("click", showHelp);
addEventListener("hashchange", () => show());
addEventListener("keydown", (event) => handleKeys(event, view));
listen("connection", showConnection);
listen("session", () => { showMachine(); view?.sessionChanged?.(); });
showConnection();
start().then(() => { document.documentElement.dataset.ready = "yes"; });
show(true);
