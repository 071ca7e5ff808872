// Shortcuts: single keys that stand in for a click, and can be turned off for those who dictate.

import { button, h } from "./dom.js";

const KEYS = [
  ["?", "this list"], ["r", "all runs"], ["n", "new run"], ["d", "data"], ["/", "search the runs"], ["j  k", "next and previous run of the list"],
  ["x", "mark the run that has the focus, to compare it"], ["c", "compare what is marked; on the page of a run: clone it"],
  ["s", "on the page of a run: stop or resume it"], ["1 – 6", "on the page of a run: its parts"], ["t", "light or dark"],
  ["← →", "on a chart: along the curves; Esc shows all epochs"], ["Ctrl Enter", "on the page of a new run: start it"], ["Esc", "close, or mark none"],
];

const isOff = () => { try { return localStorage.getItem("ddp-mlp-keys") === "off"; } catch { return false; } };

export const showHelp = () => {
  const before = document.activeElement;
  const box = h("input", { type: "checkbox", checked: !isOff(), onchange: () => { try { localStorage.setItem("ddp-mlp-keys", box.checked ? "on" : "off"); } catch { /* until then */ } } });
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "keys-title", onclose: () => { dialog.remove(); before?.focus?.(); } },
    h("h2", { id: "keys-title" }, "Keyboard"),
    h("p", {}, "Tab and Enter reach everything. These are shorter:"),
    h("dl", { class: "keys" }, KEYS.map(([key, text]) => [h("dt", {}, key.split("  ").map((one) => h("kbd", {}, one))), h("dd", {}, text)])),
    h("label", { class: "check" }, box, "single keys are shortcuts"),
    h("div", { class: "actions" }, button("Close", () => dialog.close(), { class: "primary", autofocus: true })));
  document.body.append(dialog);
  dialog.showModal();
};

const isTyping = (target) => target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

// `view.keys` has what a view adds; each of them is told the event.
export const handleKeys = (event, view) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { view?.keys?.["Ctrl Enter"]?.(event); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape") { if (isTyping(event.target)) event.target.blur(); else view?.keys?.Escape?.(event); return; }
  if (isTyping(event.target) || isOff()) return;
  const common = { "?": showHelp, r: () => { location.hash = "#/runs"; }, n: () => { location.hash = "#/new"; }, d: () => { location.hash = "#/data"; }, t: () => globalThis.switchTheme() };
  const handler = view?.keys?.[event.key] || common[event.key];
  if (!handler || (event.key === "n" && document.documentElement.dataset.readOnly === "yes")) return;
  event.preventDefault();
  handler(event);
};

// Asks before something that cannot be taken back; resolves to null, or to what is checked.
export const confirmed = ({ title, text, yes, checks = [] }) => new Promise((resolve) => {
  const before = document.activeElement, boxes = checks.map((check) => h("input", { type: "checkbox", checked: Boolean(check.checked) }));
  let answer = null;
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "asked", onclose: () => { dialog.remove(); before?.focus?.(); resolve(answer); } },
    h("h2", { id: "asked" }, title), h("p", {}, text),
    checks.map((check, i) => h("label", { class: "check" }, boxes[i], check.label)),
    h("div", { class: "actions" },
      button(yes, () => { answer = boxes.map((box) => box.checked); dialog.close(); }, { class: "danger" }),
      button("Cancel", () => dialog.close(), { autofocus: true })));
  document.body.append(dialog);
  dialog.showModal();
});
