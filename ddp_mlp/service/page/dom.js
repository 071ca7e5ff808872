// Elements from words: no text is ever read as HTML, and no style is an attribute, so that the strictest policy holds.

const SVG = "http://www.w3.org/2000/svg";

export const h = (name, props = {}, ...children) => fill(document.createElement(name), props, children);
export const s = (name, props = {}, ...children) => fill(document.createElementNS(SVG, name), props, children);

const fill = (element, props, children) => {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.setAttribute("class", value);
    else if (key === "value" && "value" in element) element.value = value;
    else if (["checked", "disabled", "indeterminate", "selected", "hidden", "open", "multiple"].includes(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
};

// Changes an element only where it differs, so that a live page is not drawn anew for each event.
export const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };
export const setAttr = (element, name, value) => {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
};

export const button = (text, onclick, props = {}) => h("button", { type: "button", onclick, ...props }, text);
export const link = (text, href, props = {}) => h("a", { href, ...props }, text);

const MARKS = { running: "●", stopping: "◐", queued: "○", stopped: "■", finished: "✓", failed: "✕" };
export const badge = (state) => h("span", { class: `badge ${state}` }, h("span", { class: "mark", "aria-hidden": "true" }, MARKS[state] || "?"), h("span", {}, state));
export const setBadge = (element, state) => {
  if (element.lastChild.textContent === state) return;
  element.setAttribute("class", `badge ${state}`);
  element.firstChild.textContent = MARKS[state] || "?";
  element.lastChild.textContent = state;
};

export const skeleton = (text = "Loading…") => h("p", { class: "loading" }, text);

export const empty = (title, text, ...actions) => h("div", { class: "empty" },
  s("svg", { viewBox: "0 0 120 48", "aria-hidden": "true", class: "empty-curve" },
    s("path", { d: "M4 6C22 40 42 38 60 41S100 43 116 43", class: "a" }), s("path", { d: "M4 12C26 42 44 33 64 36S100 36 116 34", class: "b" })),
  h("h2", {}, title), h("p", {}, text), actions.length ? h("p", { class: "actions" }, ...actions) : null);

export const table = (columns, rows, { caption = "", numeric = () => false } = {}) => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption || "Table" },
  h("table", {}, caption ? h("caption", {}, caption) : null,
    h("thead", {}, h("tr", {}, columns.map((name, i) => h("th", { scope: "col", class: numeric(i) ? "number" : null }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => h(i ? "td" : "th", { scope: i ? null : "row", class: numeric(i) ? "number" : null }, cell)))))));

// Said by a screen reader once it is quiet. For what has happened, never for each epoch.
export const say = (text) => { const place = document.getElementById("said"); place.textContent = ""; requestAnimationFrame(() => { place.textContent = text; }); };

export const toast = (text, { isBad = false, action = null } = {}) => {
  const place = document.getElementById("toasts");
  const one = h("div", { class: `toast${isBad ? " bad" : ""}`, role: isBad ? "alert" : null }, h("span", {}, text), action,
    button("×", () => one.remove(), { "aria-label": "Close this message", class: "plain" }));
  place.append(one);
  while (place.children.length > 3) place.firstChild.remove();
  if (!isBad) { say(text); setTimeout(() => one.remove(), 8000); }
  return one;
};

export const trouble = (error) => toast(error.detail || error.message || String(error), { isBad: true });
