// The configuration as text, with the errors at their lines.

import { button, h } from "./dom.js";
import { lineOf, written } from "./toml.js";

export const textEditor = (draft) => {
  const area = h("textarea", { class: "toml", spellcheck: "false", autocapitalize: "off", rows: 22, wrap: "off", "aria-label": "Configuration in TOML", "aria-describedby": "toml-errors", oninput: () => { draft.setText(area.value); number(); } });
  const gutter = h("div", { class: "gutter", "aria-hidden": "true" }), errors = h("ul", { class: "errors", id: "toml-errors" }), changes = h("div", { class: "changes" });
  const open = h("input", { type: "file", accept: ".toml", class: "unseen", "aria-label": "Open a configuration file", onchange: async () => { if (open.files[0]) { area.value = await open.files[0].text(); draft.setText(area.value); number(); } } });
  const element = h("div", { class: "text" }, h("div", { class: "controls" }, h("label", { class: "button" }, "Open a file", open), h("span", { class: "hint" }, "Paths are relative to the directory of the service.")),
    changes, errors, h("div", { class: "code" }, gutter, area));
  let bad = new Map(), drawn = "";
  area.addEventListener("scroll", () => { gutter.scrollTop = area.scrollTop; });
  const number = () => {
    const lines = area.value.split("\n").length, now = `${lines}:${[...bad.keys()].join()}`;
    if (now === drawn) return;
    drawn = now;
    gutter.replaceChildren(...Array.from({ length: lines }, (_, i) => h("span", { class: bad.has(i + 1) ? "bad" : null }, String(i + 1))));
  };
  const go = (line) => {
    const before = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0), end = area.value.indexOf("\n", before);
    area.focus();
    area.setSelectionRange(before, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, (line - 4) * 20);
  };
  const showErrors = (found) => {
    bad = new Map();
    errors.replaceChildren(...found.map(({ key, message }) => {
      const said = /line (\d+)/.exec(message), line = (key && lineOf(area.value, key)) || (said && Number(said[1])) || null;
      if (line) bad.set(line, message);
      return h("li", {}, line ? button(`line ${line}`, () => go(line), { class: "small" }) : null, key ? h("code", {}, key) : null, h("span", {}, message));
    }));
    area.setAttribute("aria-invalid", String(found.length > 0));
    number();
  };
  const update = () => {
    if (area.value !== draft.text() && document.activeElement !== area) area.value = draft.text();
    const set = Object.entries(draft.changes());
    changes.replaceChildren(...(set.length ? [h("span", { class: "hint" }, "set beside the text:"), ...set.map(([key, value]) => h("span", { class: "chip" }, h("code", {}, `${key} = ${value === "none" ? "none" : written(value)}`),
      button("×", () => draft.drop(key), { class: "plain small", "aria-label": `Do not set ${key}` })))] : []));
    number();
  };
  return { element, showErrors, update };
};
