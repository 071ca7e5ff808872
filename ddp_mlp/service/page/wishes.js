// Beside the configuration: name, kind, workers, and when it may start.

import { h, setText } from "./dom.js";
import { count, isOver } from "./logic.js";
import { store } from "./store.js";

const KINDS = [["train", "one run"], ["search", "search: many settings"], ["cross-validate", "cross-validation: folds"], ["ensemble", "ensemble: seeds"]];

export const wishesForm = (session, job, changed) => {
  const problems = {}, entry = (key, name, input, hint = "") => {
    input.id = `wish-${key}`;
    problems[key] = h("p", { class: "problem" });
    return h("div", { class: "field", "data-wish": key }, h("label", { for: input.id }, name), input, problems[key], hint ? h("p", { class: "hint" }, hint) : null);
  };
  const number = (value, min, max) => h("input", { type: "number", value, min, max, inputmode: "numeric", oninput: changed });
  const name = h("input", { type: "text", value: job ? `${job.name}-clone` : "", autocomplete: "off", placeholder: "after the data set", oninput: changed });
  const kind = h("select", { onchange: () => { show(); changed(); } }, KINDS.map(([value, text]) => h("option", { value, selected: value === job?.kind }, text)));
  const ranks = number(job?.ranks ?? 1, 1, session.slurm ? 65536 : session.cores), threads = number(job?.threads ?? 1, 1, session.cores), priority = number(job?.priority ?? 0, -100, 100);
  const waiting = [...store.jobs.values()].filter((one) => !isOver(one)).slice(-50);
  const after = h("select", { onchange: changed }, h("option", { value: "" }, "as soon as there is room"), waiting.map((one) => h("option", { value: String(one.id) }, `after #${one.id} ${one.name}`)));
  const given = (job?.arguments || []).filter((one) => !one.startsWith("--"));
  const tries = h("textarea", { rows: 3, spellcheck: "false", placeholder: "optimizer.learning_rate=[0.1, 0.01]\nmodel.hidden=[[32], [64, 64]]", oninput: changed }, job?.kind === "search" ? given.join("\n") : "");
  const folds = number(job?.kind === "cross-validate" ? given[0] : 5, 2, 1000), members = number(job?.kind === "ensemble" ? given[0] : 5, 2, 1000);
  const more = { search: entry("tries", "Try, one key a line", tries), "cross-validate": entry("folds", "Folds", folds), ensemble: entry("members", "Members", members) };
  const use = h("p", { class: "hint" });
  const element = h("form", { class: "wishes", novalidate: true, onsubmit: (event) => event.preventDefault() }, entry("name", "Name", name), entry("kind", "Kind", kind), Object.values(more),
    h("div", { class: "pair" }, entry("ranks", "Ranks", ranks), entry("threads", "Threads", threads), entry("priority", "Priority", priority)), use, entry("after", "Start", after));
  const show = () => Object.entries(more).forEach(([one, field]) => { field.hidden = kind.value !== one; });
  const whole = (input, fallback) => (Number.isInteger(+input.value) && input.value !== "" ? +input.value : fallback);
  const argumentsOf = () => ({
    train: [], search: tries.value.split("\n").map((line) => line.trim()).filter(Boolean).flatMap((line) => ["--try", line]),
    "cross-validate": ["--folds", String(whole(folds, 5))], ensemble: ["--members", String(whole(members, 5))],
  })[kind.value];
  const body = () => {
    const cores = whole(ranks, 1) * whole(threads, 1);
    setText(use, session.slurm ? "Slurm finds the nodes." : `${count(cores, "core")} of ${session.cores}; ${session.cores_free} free now${cores > session.cores_free ? ", so it waits" : ""}.`);
    return {
      kind: kind.value, arguments: argumentsOf(), ...(name.value.trim() ? { name: name.value.trim() } : {}), ranks: whole(ranks, 1), threads: whole(threads, 1),
      priority: whole(priority, 0), after: after.value ? [Number(after.value)] : [],
    };
  };
  show();
  body();
  return { element, body, showErrors: (errors) => Object.entries(problems).forEach(([key, place]) => setText(place, errors.find((one) => one.key === key || (key === "tries" && one.key === "arguments"))?.message || "")) };
};
