// The configuration as fields: those that most runs set first, all others folded below their section.

import { button, h, setText } from "./dom.js";
import { bytes, shown } from "./logic.js";
import { ESSENTIAL, textOf, valueOf as read, widgetOf } from "./schema.js";

export const configurationForm = (groups, data, draft) => {
  const fields = new Map(), note = h("p", { class: "hint", hidden: true });
  const make = (field) => { const one = fieldOf(field, draft); fields.set(field.key, one); return one.element; };
  const all = groups.flatMap((group) => group.fields), essential = all.filter((field) => ESSENTIAL.includes(field.key));
  const train = all.find((field) => field.key === "data.train"), choice = dataField(train, data, draft);
  fields.set("data.train", choice);
  const sections = groups.map((group) => {
    const others = group.fields.filter((field) => field !== train && !essential.includes(field));
    return h("details", { class: "section" }, h("summary", {}, h("code", {}, `[${group.section}]`), h("span", { class: "hint" }, group.description)), h("div", { class: "fields" }, others.map(make)));
  });
  const element = h("form", { class: "config", novalidate: true, onsubmit: (event) => event.preventDefault() }, note,
    h("fieldset", {}, h("legend", {}, "Data"), choice.element),
    h("fieldset", {}, h("legend", {}, "Network and training"), h("div", { class: "fields" }, essential.sort((a, b) => ESSENTIAL.indexOf(a.key) - ESSENTIAL.indexOf(b.key)).map(make))),
    h("h2", {}, "Everything else"), h("p", { class: "hint" }, "Each key has a default that serves unknown tables well; only what you change is written down."), sections);
  const showErrors = (errors) => {
    fields.forEach((one) => one.fail(""));
    errors.forEach(({ key, message }) => {
      const one = fields.get(key);
      if (one) { one.fail(message); one.element.closest("details")?.setAttribute("open", ""); }
    });
  };
  const update = () => {
    note.hidden = !draft.unread();
    setText(note, note.hidden ? "" : "The text has forms that this form cannot show; what is changed here is set beside it.");
    fields.forEach((one) => one.update());
  };
  return { element, showErrors, update, focusError: () => { const one = element.querySelector("[aria-invalid=true]"); one?.focus(); return Boolean(one) && !element.hidden; } };
};

const frame = (key, name, description, input, after = []) => {
  const problem = h("p", { class: "problem", id: `problem-${key}` }), hint = h("p", { class: "hint", id: `hint-${key}` }, description);
  input.id = `field-${key}`;
  input.setAttribute("aria-describedby", `problem-${key} hint-${key}`);
  const element = h("div", { class: "field" }, h("label", { for: input.id }, name), h("div", { class: "entry" }, input, after), problem, hint);
  const fail = (message) => { setText(problem, message); input.setAttribute("aria-invalid", String(Boolean(message))); };
  return { element, fail };
};

const fieldOf = (field, draft) => {
  const widget = widgetOf(field), initial = textOf(field.initial);
  const set = (text) => { draft.setValue(field, read(field, text)); mark(); };
  const options = widget === "choice" ? field.choices : ["true", "false"];
  const isList = widget !== "text";
  const input = isList
    ? h("select", { onchange: () => set(input.value) }, h("option", { value: "" }, field.initial === undefined || field.initial === null ? "not set" : `${initial} (default)`), options.filter((one) => one !== initial).map((one) => h("option", { value: one }, one)))
    : h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: initial || (field.isRequired ? "" : "not set"), oninput: () => set(input.value) });
  const list = !isList && field.choices.length ? h("datalist", { id: `list-${field.key}` }, field.choices.map((one) => h("option", { value: one }))) : null;
  if (list) input.setAttribute("list", list.id);
  const back = button("default", () => { input.value = ""; set(""); input.focus(); }, { class: "plain small", "aria-label": `${field.key}: back to the default` });
  const { element, fail } = frame(field.key, field.key, field.description, input, [list, back]);
  const mark = () => { back.hidden = !input.value; element.classList.toggle("set", Boolean(input.value)); };
  const update = () => {
    const text = textOf(draft.valueOf(field.key)), now = text === initial ? "" : text;
    if (document.activeElement !== input && input.value !== now) input.value = now;
    mark();
  };
  update();
  return { element, fail, update };
};

// Files that can be trained on, newest first; another path can be typed.
const dataField = (field, data, draft) => {
  const train = field || { key: "data.train" };
  const files = [...data].sort((a, b) => (Date.parse(b.modified_utc) || 0) - (Date.parse(a.modified_utc) || 0));
  const list = h("datalist", { id: "data-files" }, files.map((file) => h("option", { value: file.path }, bytes(file.bytes))));
  const input = h("input", { type: "text", list: "data-files", autocomplete: "off", spellcheck: "false", required: true, placeholder: files.length ? "type or choose below" : "", oninput: () => { draft.setValue(train, input.value.trim() || undefined); mark(); } });
  const chips = files.slice(0, 8).map((file) => button(file.path, () => { input.value = file.path; draft.setValue(train, file.path); mark(); }, { class: "chip", title: `${file.path}, ${bytes(file.bytes)}`, "aria-pressed": "false" }));
  const few = files.length > chips.length ? h("span", { class: "hint" }, `and ${shown(files.length - chips.length)} others: type to find them`) : null;
  const { element, fail } = frame("data.train", "data.train", field?.description || "", input, [list]);
  element.append(files.length ? h("div", { class: "chips" }, chips, few) : h("p", { class: "hint" }, "There is no data set below the directory of this service yet: ", h("a", { href: "#/data" }, "upload a table"), "."));
  const mark = () => { chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.textContent === input.value))); };
  const update = () => { const text = textOf(draft.valueOf("data.train")); if (document.activeElement !== input) input.value = text; mark(); };
  update();
  return { element, fail, update };
};
