// What the page works out without a document: words for numbers, order and choice of runs, merging of events.

export const STATES = ["running", "queued", "stopping", "stopped", "finished", "failed"];
export const isOver = (job) => ["stopped", "finished", "failed"].includes(job.state);
export const tag = (job) => job.kind && job.kind !== "train" ? `#${job.id} · ${job.kind}` : `#${job.id}`;
export const isActive = (job) => ["running", "stopping"].includes(job.state);

const LABELS = {
  train_loss: "training loss", valid_loss: "validation loss", valid_accuracy: "validation accuracy", valid_rmse: "validation RMSE",
  valid_r2: "validation R²", learning_rate: "learning rate", grad_norm: "gradient norm", samples_per_s: "samples per second",
};
export const label = (name) => LABELS[name] || name.replace(/^valid_/, "validation ").replaceAll("_", " ");

// Keys that decide which rows are asked, and in what a score is measured: runs that differ in one have no order.
const ASKED = /^(data\.(train|valid|valid_fraction|all_rows|folds|fold|stratify|group_by|time_by|split_seed|targets|weights|task|missing|normalize_targets|autoencode)|loss\.name|model\.output|job\.kind)$/;
// The first key in which runs differ that keeps their scores from being compared, "" for none.
export const unlike = (differs) => differs.find(({ key }) => ASKED.test(key))?.key || "";
// The id of the best of runs that one metric measures alike, null where there is no order.
export const winnerOf = (jobs, differs) => {
  const scored = jobs.filter((job) => isNumber(job.best?.value)), metrics = new Set(jobs.filter((job) => job.best).map((job) => job.best.metric));
  if (unlike(differs) || metrics.size !== 1 || scored.length < 2) return null;
  const better = /accuracy|r2/.test([...metrics][0]) ? Math.max : Math.min, value = better(...scored.map((job) => job.best.value));
  return scored.find((job) => job.best.value === value).id;
};

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export const shown = (value) => !isNumber(value) ? (value === undefined || value === null || value === "" ? "–" : String(value))
  : Number.isInteger(value) && Math.abs(value) < 1e12 ? grouped(value)
  : Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(2) : String(+value.toPrecision(4));

// Thin spaces between thousands; none in numbers of four digits.
const grouped = (value) => Math.abs(value) < 1e4 ? String(value) : String(value).replace(/\B(?=(\d{3})+$)/g, " ");

// As short as an axis needs it: 2.5M, 30k, 0.001.
export const brief = (value) => {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value), [unit, sign] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return size !== 0 && (size < 1e-4 || size >= 1e12) ? value.toExponential(0) : String(+(value / unit).toPrecision(4)) + sign;
};

export const bytes = (count) => {
  if (!isNumber(count)) return "–";
  const step = count < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${+(count / 1000 ** step).toPrecision(3)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
};

export const duration = (seconds) => {
  if (!isNumber(seconds)) return "–";
  const tenths = Math.round(10 * Math.max(0, seconds)) / 10, s = Math.round(tenths), [min, h, d] = [60, 3600, 86400].map((unit) => Math.floor(s / unit));
  if (tenths < 10) return `${tenths} s`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${min} min${s < 600 && s % 60 ? ` ${s % 60} s` : ""}`;
  return s < 86400 ? `${h} h ${min % 60} min` : `${d} d ${h % 24} h`;
};

export const ago = (utc, now = Date.now()) => {
  const then = Date.parse(utc);
  if (Number.isNaN(then)) return "–";
  const s = (now - then) / 1000;
  if (s < 45) return "just now";
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 86400) return `${Math.round(s / 3600)} h ago`;
  return s < 30 * 86400 ? `${Math.round(s / 86400)} d ago` : new Date(then).toISOString().slice(0, 10);
};

export const count = (number, noun) => `${shown(number)} ${noun}${number === 1 ? "" : "s"}`;

export const took = (job) => job.started_utc ? (Date.parse(job.ended_utc || new Date().toISOString()) - Date.parse(job.started_utc)) / 1000 : null;

// One line below the name of a run: what a person wants to know of it in this state.
export const situation = (job) => {
  const p = job.progress || {};
  const epochs = p.epochs ? `epoch ${shown(p.epoch)} of ${shown(p.epochs)}` : p.epoch !== undefined && p.epoch !== null ? `epoch ${shown(p.epoch)}` : "";
  if (job.state === "queued") return job.waits_for ? `waits for ${job.waits_for}` : "waits for its turn";
  if (job.state === "stopping") return `stopping after this step${epochs && `, ${epochs}`}`;
  if (job.state === "running") return [epochs || "starting", isNumber(p.remaining_s) && p.epoch < p.epochs ? `${duration(p.remaining_s)} left` : ""].filter(Boolean).join(" · ");
  if (job.state === "failed") return job.reason || `ended with exit code ${job.exit_code}`;
  if (job.state === "stopped") return [epochs ? `stopped in ${epochs}` : "stopped", "can be resumed"].join(" · ");
  const time = took(job);
  const done = [p.epoch ? count(p.epoch, "epoch") : "", time === null ? "" : `in ${duration(time)}`].filter(Boolean).join(" ");
  return [done, job.reason].filter(Boolean).join(" · ") || "finished";
};

export const part = (job) => {
  const p = job.progress || {};
  if (job.state === "finished") return 1;
  return p.epochs ? Math.min(1, Math.max(0, (p.epoch || 0) / p.epochs)) : 0;
};

export const matches = (job, { state = "", search = "" } = {}) => {
  if (state && job.state !== state && !(state === "running" && job.state === "stopping")) return false;
  return search.toLowerCase().split(/\s+/).filter(Boolean)
    .every((word) => `#${job.id} ${job.name} ${job.kind} ${job.state} ${job.reason || ""}`.toLowerCase().includes(word));
};

const bestOf = (job) => job.best && isNumber(job.best.value) ? job.best.value * (/accuracy|r2/.test(job.best.metric) ? -1 : 1) : null;
const KEYS = {
  created: (job) => Date.parse(job.created_utc) || job.id,
  name: (job) => job.name.toLowerCase(),
  state: (job) => STATES.indexOf(job.state),
  best: bestOf,
  speed: (job) => job.progress?.samples_per_s ?? null,
  progress: (job) => part(job),
};
const DOWN = new Set(["created", "speed", "progress"]);  // the largest first, unless it is asked the other way

// `sort` is a key, with "-" before it for the other direction. Runs without a value come last, either way.
export const sorted = (jobs, sort = "created") => {
  const other = sort.startsWith("-"), asked = sort.replace(/^-/, ""), name = Object.hasOwn(KEYS, asked) ? asked : "created", key = KEYS[name];
  const sign = (DOWN.has(name) ? -1 : 1) * (other ? -1 : 1);
  return [...jobs].map((job) => [key(job), job]).sort(([a, p], [b, q]) => {
    const none = [a === null || Number.isNaN(a), b === null || Number.isNaN(b)];
    if (none[0] !== none[1]) return none[0] ? 1 : -1;
    const order = none[0] || a === b ? 0 : a < b ? -sign : sign;
    return order || q.id - p.id;
  }).map(([, job]) => job);
};

export const counts = (jobs) => {
  const found = { "": 0, ...Object.fromEntries(STATES.map((state) => [state, 0])) };
  for (const job of jobs) { found[""] += 1; found[job.state] += 1; }
  found.running += found.stopping;
  return found;
};

// An epoch that comes again, of a run that went on from before it, takes the place of that and of all later ones.
// The rows are changed where they are: of ten thousand epochs, each live one costs the same.
export const mergeRow = (metrics, row) => {
  if (!metrics.columns.length) metrics.columns = Object.keys(row);
  const at = metrics.columns.indexOf("epoch"), { rows } = metrics;
  if (rows.length && rows[rows.length - 1][at] >= row.epoch) {
    while (rows.length && rows[rows.length - 1][at] >= row.epoch) rows.pop();
    metrics.restarts = [...(metrics.restarts || []), row.epoch];
  }
  rows.push(metrics.columns.map((name) => (isNumber(row[name]) ? row[name] : null)));
  if (rows.length > MOST_ROWS) metrics.rows = thinned(rows);
  return metrics;
};

// More rows than a screen has pixels tell nothing more: of too many, every other one is kept, and the last.
const MOST_ROWS = 20_000;
const thinned = (rows) => rows.filter((row, i) => (rows.length - 1 - i) % 2 === 0);

// As metrics.csv has them, over all restarts: of each epoch the last row counts, and of where it went on a mark is kept.
export const settled = (metrics) => {
  const at = metrics.columns.indexOf("epoch"), rows = [], restarts = [];
  for (const row of metrics.rows) {
    if (rows.length && row[at] <= rows[rows.length - 1][at]) {
      while (rows.length && rows[rows.length - 1][at] >= row[at]) rows.pop();
      restarts.push(row[at]);
    }
    rows.push(row);
  }
  let few = rows;
  while (few.length > MOST_ROWS) few = thinned(few);
  return { ...metrics, rows: few, restarts };
};

export const column = (metrics, name) => {
  const at = metrics.columns.indexOf(name);
  return at < 0 ? null : metrics.rows.map((row) => (isNumber(row[at]) ? row[at] : null));
};

// The epoch of the lowest validation loss, or of the lowest training loss where nothing validates.
export const bestEpoch = (metrics) => {
  const losses = [column(metrics, "valid_loss"), column(metrics, "train_loss")].find((values) => values?.some(isNumber));
  if (!losses) return null;
  let best = null;
  losses.forEach((value, i) => { if (isNumber(value) && (best === null || value < losses[best])) best = i; });
  return best === null ? null : column(metrics, "epoch")[best];
};

// An exponential mean over epochs.
export const smoothed = (x, y, keepOf) => {
  if (!keepOf) return y;
  let mean = null, last = 0;
  return y.map((value, i) => {
    if (value === null) return value;
    const keep = mean === null ? 0 : keepOf ** Math.max(1, x[i] - last);
    mean = mean === null ? value : keep * mean + (1 - keep) * value;
    last = x[i];
    return mean;
  });
};

export const sparkPath = (values, width, height) => {
  const points = values.map((v, i) => [i, v]).filter(([, v]) => isNumber(v));
  if (points.length < 2) return "";
  const low = Math.min(...points.map(([, v]) => v)), high = Math.max(...points.map(([, v]) => v)), span = high - low || 1;
  return points.map(([i, v], n) => `${n ? "L" : "M"}${(1.5 + i / (values.length - 1) * (width - 3)).toFixed(1)} ${(1.5 + (high - v) / span * (height - 3)).toFixed(1)}`).join("");
};
