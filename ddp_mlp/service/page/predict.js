// Answers of a model to a table from this computer.

import { ask } from "./api.js";
import { button, h, say, table } from "./dom.js";
import { bytes, count, isNumber, shown } from "./logic.js";

export const filePicker = (text, onpick, accept = null) => {
  const input = h("input", { type: "file", class: "unseen", accept, onchange: () => picked(input.files[0]) }), name = h("span", { class: "hint" }, "or drop it here");
  const picked = (file) => { if (file) { name.textContent = `${file.name}, ${bytes(file.size)}`; onpick(file); } };
  const element = h("label", { class: "drop", ondragover: (event) => { event.preventDefault(); element.classList.add("over"); }, ondragleave: () => element.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); element.classList.remove("over"); input.files = event.dataTransfer.files; picked(event.dataTransfer.files[0]); } },
    h("span", { class: "button" }, text), input, name);
  return element;
};

const formOf = (file) => { const form = new FormData(); form.append("file", file); return form; };

export const predictForm = (id) => {
  const found = h("div", { class: "answers" }), problem = h("p", { class: "trouble", role: "alert", hidden: true });
  const fail = (error) => { problem.hidden = false; problem.textContent = error.detail || error.message; found.replaceChildren(); };
  const predict = async (file) => {
    problem.hidden = true;
    found.replaceChildren(h("p", { class: "loading" }, "Answering…"));
    try {
      const answer = await (await ask(`jobs/${id}/predict`, { method: "POST", form: formOf(file) })).json();
      const more = answer.n_rows > answer.rows.length ? `; the first ${shown(answer.rows.length)} are shown` : "";
      say(`${count(answer.n_rows, "answer")}`);
      found.replaceChildren(h("div", { class: "controls" }, h("strong", {}, `${count(answer.n_rows, "answer")}${more}`), button("Download all as CSV", () => download(file), { class: "primary" })),
        table(answer.columns, answer.rows.map((row) => row.map(shown)), { caption: "Answers", numeric: (i) => answer.rows.some((row) => isNumber(row[i])) }));
    } catch (error) { fail(error); }
  };
  const download = async (file) => {
    try {
      const answer = await ask(`jobs/${id}/predict`, { method: "POST", form: formOf(file), accept: "text/csv" });
      const address = URL.createObjectURL(await answer.blob());
      h("a", { href: address, download: `${file.name.replace(/\.[^.]*$/, "")}-answers.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    } catch (error) { fail(error); }
  };
  return h("div", {}, h("p", { class: "hint" }, "CSV, Parquet, Excel, NPY, HDF5 and the others that import reads, with the columns the run learned from; the target is not needed."),
    filePicker("Choose a table", predict), problem, found);
};
