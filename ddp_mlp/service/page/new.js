// A new run: the configuration as a form or as text, checked while it is written, and where it is to run.

import { Refused, get, newKey, post } from "./api.js";
import { button, empty, h, link, say, setAttr, setText, skeleton, toast, trouble } from "./dom.js";
import { configurationForm } from "./form.js";
import { textEditor } from "./editor.js";
import { count } from "./logic.js";
import { groupsOf, isSame } from "./schema.js";
import { keep, listen, store } from "./store.js";
import { flat, parse, render } from "./toml.js";
import { wishesForm } from "./wishes.js";

const CHECK_AFTER_MS = 450;

export const newView = (from, query) => {
  // `text` is sent as it is, with `changes` beside it as --set would; text that the form has made takes changes in.
  const draft = { text: "", base: {}, changes: {}, isMade: true, unread: "" };
  const place = h("div", {}, skeleton()), title = h("h1", { tabindex: "-1" }, from ? `Clone run ${from}` : "New run");
  const element = h("section", { class: "new" }, link("All runs", "#/runs", { class: "up" }), title, place);
  const key = newKey();
  let form, editor, wishes, checking = null, isClosed = false, isSending = false;

  const readText = () => {
    try { draft.base = flat(parse(draft.text)); draft.unread = ""; } catch (error) { draft.unread = error.message; }
  };
  // A key that the text sets goes back to its default by that value, or by "none" where it has none.
  const setValue = (field, value) => {
    const name = field.key, back = field.isNullable || field.initial === undefined ? "none" : field.initial;
    if (value === undefined ? draft.base[name] === undefined : isSame(value, draft.base[name])) delete draft.changes[name];
    else draft.changes[name] = value === undefined && !draft.isMade ? back : value ?? "none";
    foldIn();
    changed();
  };
  const foldIn = () => {
    if (!draft.isMade) return;
    for (const [name, value] of Object.entries(draft.changes)) { if (value === "none") delete draft.base[name]; else draft.base[name] = value; }
    draft.changes = {};
    draft.text = render(draft.base);
  };
  const valueOf = (name) => name in draft.changes ? (draft.changes[name] === "none" ? undefined : draft.changes[name]) : draft.base[name];
  const body = () => ({ config: draft.text, overrides: draft.changes, ...wishes.body() });

  // -- checking --
  const verdict = h("div", { class: "verdict", role: "status" });
  const judged = (kind, text) => { if (verdict.dataset.kind !== kind || verdict.textContent !== text) { verdict.dataset.kind = kind; verdict.textContent = text; } };
  const meaning = (found) => found.understood ? `This can run:\n${found.understood.replaceAll("; ", "\n")}` : "This can run.";
  const showErrors = (errors) => { form.showErrors(errors); editor.showErrors(errors); wishes.showErrors(errors); };
  const changed = () => { clearTimeout(checking); checking = setTimeout(check, CHECK_AFTER_MS); editor.update(); };
  const check = async () => {
    if (!valueOf("data.train") && !draft.unread) { judged("", "Choose a data set to begin."); return; }
    const asked = JSON.stringify(body());
    try {
      const found = await post("check", body());
      if (isClosed || asked !== JSON.stringify(body())) return;
      showErrors([]);
      judged("good", meaning(found));
    } catch (error) {
      if (isClosed || asked !== JSON.stringify(body())) return;
      if (error instanceof Refused && [400, 422].includes(error.status)) refused(error); else judged("bad", error.message);
    }
  };
  const refused = (error) => {
    showErrors(error.errors);
    judged("bad", error.errors.length > 1 ? `${count(error.errors.length, "key")} to mend: ${error.errors.map((one) => one.key).join(", ")}` : error.detail);
  };
  const send = async () => {
    if (isSending) return;
    isSending = true;
    start.disabled = true;
    clearTimeout(checking);
    try {
      const job = keep(await post("jobs", body(), { "Idempotency-Key": `${key}-${digest(JSON.stringify(body()))}` }));
      toast(`${job.name} is ${job.state === "queued" ? "in the queue" : job.state}`);
      location.hash = `#/runs/${job.id}`;
    } catch (error) {
      if (error instanceof Refused && error.status === 422) { refused(error); if (!form.focusError()) verdict.scrollIntoView({ block: "nearest" }); say(error.detail); } else trouble(error);
    } finally { isSending = false; start.disabled = false; }
  };
  const start = button(from ? "Start the clone" : "Start the run", send, { class: "primary big" });

  // -- form or text --
  const views = h("div", { class: "filters", role: "group", "aria-label": "Form or text" }, [["form", "Form"], ["text", "TOML"]].map(([name, text]) => button(text, () => choose(name), { "data-view": name })));
  const choose = (name) => {
    [...views.children].forEach((one) => setAttr(one, "aria-pressed", String(one.dataset.view === name)));
    form.element.hidden = name !== "form";
    editor.element.hidden = name !== "text";
    if (name === "form") form.update(); else editor.update();
  };

  const load = async () => {
    const [schema, data, job] = await Promise.all([get("config-schema"), get("data").catch(() => []), from ? get(`jobs/${from}`) : null]);
    if (isClosed) return;
    if (job) {
      Object.assign(draft, { text: job.config, changes: { ...job.overrides }, isMade: false });
      setText(title, `Clone ${job.name}`);
    } else if (query.get("data")) { draft.base["data.train"] = query.get("data"); foldIn(); }
    readText();
    form = configurationForm(groupsOf(schema), data, { valueOf, setValue, unread: () => draft.unread });
    editor = textEditor({
      text: () => draft.text, changes: () => draft.changes, drop: (name) => { delete draft.changes[name]; changed(); },
      setText: (text) => { draft.text = text; draft.isMade = false; readText(); changed(); },
    });
    wishes = wishesForm(store.session, job, changed);
    const side = h("aside", { class: "side", "aria-label": "Where and when it runs" }, wishes.element, verdict, start, h("p", { class: "hint" }, h("kbd", {}, "Ctrl Enter"), " starts it too."));
    place.replaceChildren(...(store.session.read_only ? [empty("Read only", "This service shows runs, and starts none.", link("All runs", "#/runs", { class: "button" }))]
      : [h("div", { class: "columns" }, h("div", {}, views, form.element, editor.element), side)]));
    choose("form");
    check();
  };
  const begin = () => load().catch((error) => place.replaceChildren(empty("This cannot be shown", error.detail || error.message, link("All runs", "#/runs", { class: "button" }))));
  let stopWaiting = () => {};
  if (store.session) begin(); else stopWaiting = listen("session", () => { stopWaiting(); begin(); });
  return { title: from ? `Clone run ${from}` : "New run", element, close: () => { isClosed = true; clearTimeout(checking); stopWaiting(); }, keys: { "Ctrl Enter": send } };
};

// The same words twice are one wish; other words after a refusal are another.
const digest = (text) => {
  let hash = 5381;
  for (const letter of text) hash = (hash * 33 + letter.codePointAt(0)) >>> 0;
  return hash.toString(16);
};
