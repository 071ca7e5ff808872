// Data sets below the directories of the service, and the upload of a table.

import { ask, get } from "./api.js";
import { button, empty, h, link, say, skeleton, toast } from "./dom.js";
import { ago, bytes, count } from "./logic.js";
import { filePicker } from "./predict.js";
import { listen, store } from "./store.js";

export const dataView = () => {
  const place = h("div", {}, skeleton()), upload = uploadForm(() => load());
  const element = h("section", { class: "data" }, h("h1", { tabindex: "-1" }, "Data"), h("div", { class: "columns" }, place, upload));
  let isClosed = false;
  const load = async () => {
    try {
      const files = await get("data");
      if (isClosed) return;
      place.replaceChildren(files.length ? tableOf(files) : empty("No data yet", "Upload a table: it is imported, and its columns are understood, here on this machine. Or put files below the directory of the service."));
    } catch (error) { place.replaceChildren(empty("This cannot be shown", error.detail || error.message)); }
  };
  const stop = listen("session", () => load());
  if (store.session) load();
  return { title: "Data", element, close: () => { isClosed = true; stop(); } };
};

const tableOf = (files) => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Data sets" }, h("table", { class: "files" },
  h("caption", {}, `${count(files.length, "file")} that can be trained on`),
  h("thead", {}, h("tr", {}, ["File", "Size", "Changed", ""].map((name, i) => h(name ? "th" : "td", { scope: name ? "col" : null, class: i === 1 ? "number" : null }, name)))),
  h("tbody", {}, files.map((file) => h("tr", {}, h("th", { scope: "row" }, file.path), h("td", { class: "number" }, bytes(file.bytes)), h("td", {}, h("time", { datetime: file.modified_utc }, ago(file.modified_utc))),
    h("td", {}, link("Train on it", `#/new?data=${encodeURIComponent(file.path)}`, { class: "button small writes", "aria-label": `Train on it: ${file.path}` })))))));

const OPTIONS = [
  ["target", "Target", "column to predict; several with commas", true], ["drop", "Leave out", "columns that are not to be learned from", true],
  ["id", "Row name", "a column that names a row and teaches nothing", true], ["weights", "Weights", "a column of sample weights"],
  ["split_by", "Split by", "a column that says train, valid or test"], ["test_fraction", "Test part", "0.2 keeps a fifth of the rows for a test"],
];

const uploadForm = (onmade) => {
  let file = null;
  const inputs = OPTIONS.map(([key, name, hint, isList]) => ({ key, name, isList, input: h("input", { type: "text", id: `import-${key}`, autocomplete: "off", spellcheck: "false", "aria-describedby": `hint-${key}`, onkeydown: (event) => { if (event.key === "Enter") send(); } }), hint }));
  const missing = h("select", { id: "import-missing" }, [["", "as import finds best"], ["impute", "fill in"], ["indicator", "fill in, and mark"], ["drop", "leave the row out"], ["error", "refuse"]].map(([value, text]) => h("option", { value }, text)));
  const problem = h("p", { class: "trouble", role: "alert", hidden: true }), result = h("div", { class: "made" });
  const field = ({ key, name, input, hint }) => h("div", { class: "field" }, h("label", { for: input.id }, name), input, h("p", { class: "hint", id: `hint-${key}` }, hint));
  const send = async () => {
    problem.hidden = true;
    if (!file) { fail("Choose a table first."); return; }
    const options = Object.fromEntries(inputs.filter(({ input }) => input.value.trim()).map(({ key, input, isList }) => [key, isList ? input.value.split(",").map((one) => one.trim()).filter(Boolean) : key === "test_fraction" ? Number(input.value) : input.value.trim()]));
    if (missing.value) options.missing = missing.value;
    const form = new FormData();
    form.append("file", file);
    form.append("options", JSON.stringify(options));
    go.disabled = true;
    go.textContent = "Importing…";
    try {
      const made = await (await ask("data", { method: "POST", form })).json();
      result.replaceChildren(h("h3", {}, made.path), h("pre", { tabindex: "0" }, [made.summary, ...(made.notes || [])].join("\n")),
        link("Train on it", `#/new?data=${encodeURIComponent(made.path)}`, { class: "button primary" }));
      toast(`${made.path} is imported`);
      onmade();
    } catch (error) { fail(error.detail || error.message); } finally { go.disabled = false; go.textContent = "Import"; }
  };
  const fail = (text) => { problem.hidden = false; problem.textContent = text; say(text); };
  const go = button("Import", send, { class: "primary" });
  return h("aside", { class: "side writes", "aria-labelledby": "upload" }, h("h2", { id: "upload" }, "Upload a table"),
    filePicker("Choose a table", (one) => { file = one; }), inputs.slice(0, 2).map(field),
    h("details", {}, h("summary", {}, "More about the columns"), inputs.slice(2).map(field), h("div", { class: "field" }, h("label", { for: "import-missing" }, "Missing values"), missing)), problem, go, result);
};
