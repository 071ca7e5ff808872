// All runs that the page knows, kept up to date by the events of the server.

import { Gone, Refused, get, openSession } from "./api.js";

const FIRST = 100, MORE = 500, MOST = 3000, SLOWEST_RETRY_MS = 10_000;

export const store = { jobs: new Map(), total: 0, session: null, connection: "connecting", isLoaded: false };
const listeners = new Map();

// `kind`: "job" (a run), "epoch" ({id, row}), "removed" (an id), "list" (many at once), "connection", "session", "again" (after a gap).
export const listen = (kind, handler) => {
  if (!listeners.has(kind)) listeners.set(kind, new Set());
  listeners.get(kind).add(handler);
  return () => listeners.get(kind).delete(handler);
};
const tell = (kind, value) => [...(listeners.get(kind) || [])].forEach((handler) => handler(value));

const removed = new Set();

// The answer to a request and the events of what came of it arrive in any order: the newest version stays.
const put = (job) => {
  const known = store.jobs.get(job.id);
  if (removed.has(job.id) || known?.version > job.version) return known;
  store.jobs.set(job.id, job);
  return job;
};

export const keep = (job) => {
  const isNew = !store.jobs.has(job.id), kept = put(job);
  if (kept !== job) return kept ?? job;
  if (isNew && store.isLoaded) store.total += 1;
  tell("job", job);
  return job;
};

export const forget = (id) => {
  removed.add(id);
  if (!store.jobs.delete(id)) return;
  store.total = Math.max(0, store.total - 1);
  tell("removed", id);
};

const setConnection = (state) => {
  if (store.connection === state) return;
  store.connection = state;
  tell("connection", state);
};

const page = async (limit, offset, query = "") => {
  const found = await get(`jobs?sort=-id&limit=${limit}&offset=${offset}${query}`);
  found.jobs.forEach(put);
  return found;
};

// The newest first, so that the first screen is there at once; the others follow while it is looked at.
const loadJobs = async (asked = page(FIRST, 0)) => {
  const before = new Set(store.jobs.keys()), first = await asked, seen = new Set(first.jobs.map((job) => job.id));
  store.total = first.total;
  store.isLoaded = true;
  tell("list");
  for (let offset = FIRST; offset < Math.min(MOST, first.total); offset += MORE) {
    (await page(MORE, offset)).jobs.forEach((job) => seen.add(job.id));
    tell("list");
  }
  if (first.total <= MOST) [...before].filter((id) => !seen.has(id)).forEach((id) => store.jobs.delete(id));
  tell("list");
};

// Of more runs than the page keeps, the server looks for those that are asked for.
export const seek = async ({ state, search }) => {
  if (store.jobs.size >= store.total) return;
  await page(MORE, 0, `&state=${encodeURIComponent(state)}&search=${encodeURIComponent(search)}`);
  tell("list");
};

export const refreshSession = async () => { store.session = await openSession(); tell("session"); };

let source = null, wait = 500;

const follow = () => {
  source = new EventSource("api/v1/events");
  source.addEventListener("open", () => {
    const wasLost = store.connection === "lost";
    wait = 500;
    setConnection("live");
    if (wasLost) catchUp();
  });
  source.addEventListener("job", (event) => keep(JSON.parse(event.data)));
  source.addEventListener("epoch", (event) => tell("epoch", JSON.parse(event.data)));
  source.addEventListener("removed", (event) => forget(JSON.parse(event.data).id));
  source.addEventListener("error", () => {
    setConnection("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(start, wait = Math.min(SLOWEST_RETRY_MS, 2 * wait));
  });
};

const catchUp = async () => {
  try { await refreshSession(); await loadJobs(); tell("again"); } catch { /* the next event of the connection says it */ }
};

// Tries until the server answers: it may be started anew at any time.
export const start = async () => {
  source?.close();
  try {
    const asked = page(FIRST, 0);
    asked.catch(() => {});  // the session says why
    await refreshSession();
    follow();
    await loadJobs(asked);
    if (store.connection === "lost") tell("again");
  } catch (error) {
    source?.close();
    const isDenied = error instanceof Refused && [401, 403].includes(error.status);
    setConnection(isDenied ? "denied" : "lost");
    if (!isDenied && !(error instanceof Gone || error instanceof Refused)) throw error;
    if (!isDenied) setTimeout(start, wait = Math.min(SLOWEST_RETRY_MS, 2 * wait));
  }
};
