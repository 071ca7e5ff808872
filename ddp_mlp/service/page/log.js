// The log of a run, which grows while it is looked at.

import { ask } from "./api.js";
import { h, link, setText } from "./dom.js";

const MOST_LINES = 5000;

export const logPart = ({ id }) => {
  const pre = h("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Log" }), note = h("span", { class: "hint" }, "loading");
  const box = h("input", { type: "checkbox", checked: true, onchange: () => { if (box.checked) pre.scrollTop = pre.scrollHeight; } });
  const element = h("div", {}, h("div", { class: "controls" }, h("label", {}, box, "follow"), link("Download", `api/v1/jobs/${id}/files/log.txt`, { class: "button", download: "" }), note), pre);
  const stop = new AbortController();
  let rest = "", isClosed = false;
  pre.addEventListener("scroll", () => { box.checked = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8; });
  const add = (text) => {
    const lines = (rest + text).split("\n"), isFollowed = box.checked;
    rest = lines.pop();
    if (!lines.length) return;
    pre.append(lines.map((line) => `${line}\n`).join(""));
    if (pre.childNodes.length > 50) {
      const all = pre.textContent.split("\n");
      pre.textContent = all.slice(-MOST_LINES).join("\n");
    }
    if (isFollowed) { pre.scrollTop = pre.scrollHeight; box.checked = true; }
  };
  const read = async () => {
    for (let wait = 1000; !isClosed; wait = Math.min(10_000, 2 * wait)) {
      try {
        const answer = await ask(`jobs/${id}/log?follow=1`, { accept: "text/plain", signal: stop.signal }), reader = answer.body.getReader(), decoder = new TextDecoder();
        pre.textContent = "";
        rest = "";
        setText(note, "");
        for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) add(decoder.decode(value, { stream: true }));
        if (rest) add("\n");
        setText(note, pre.textContent ? "end of the log" : "the log is empty");
        return;
      } catch (error) {
        if (isClosed || error.name === "AbortError") return;
        setText(note, error.status ? error.detail : "connection lost, trying again");
        if (error.status) return;
        await new Promise((resolve) => { setTimeout(resolve, wait); });
      }
    }
  };
  return { element, mount: read, close: () => { isClosed = true; stop.abort(); } };
};
