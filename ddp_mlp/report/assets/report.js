"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const COLOURS = 8, DASHES = [[], [8, 4], [2, 3]], HEIGHT = 240;
  let chosenTheme = null, smoothing = 0;
  const plots = [];

  const colour = (i) => getComputedStyle(root).getPropertyValue(i === null ? "--soft" : "--c" + (i % COLOURS)).trim();
  const variable = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const several = data.runs.length > 1;

  // One run: a colour for each column. Several: a colour for each run, and a kind of line for each column, if there are more.
  const look = (run, kind, columns) => several
    ? { colour: run % COLOURS, dash: DASHES[(columns > 1 ? Math.floor(run / COLOURS) + kind : run) % DASHES.length], width: kind ? 1.75 : 1.5 }
    : { colour: kind % COLOURS, dash: DASHES[Math.floor(kind / COLOURS + (kind % 2)) % DASHES.length], width: 1.75 };

  const shown = (value) => value === null || value === undefined ? "–"
    : Math.abs(value) >= 1e15 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(3)
      : Math.abs(value) >= 1e4 ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ") : String(+value.toPrecision(5));

  // As short as an axis needs it to tell ticks apart that are a step from each other: 2.5M, 30k, 0.001.
  const brief = (value, step) => {
    const size = Math.abs(value), [unit, sign] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
    const digits = Math.min(17, Math.max(4, step > 0 && size > 0 ? Math.ceil(Math.log10(size / step)) + 1 : 4));
    return size !== 0 && (size < 1e-4 || size >= 1e12) ? value.toExponential(digits - 4) : String(+(value / unit).toPrecision(digits)) + sign;
  };
  const texts = (u, ticks) => ticks.map((t) => (t === null ? "" : brief(t, Math.abs(ticks[ticks.length - 1] - ticks[0]) / ticks.length)));

  // An exponential mean over epochs: thinned curves are smoothed as if all their epochs were there.
  const smoothed = (x, y) => {
    if (!smoothing) return y;
    let mean = null, last = 0;
    return y.map((value, i) => {
      if (value === null || value === undefined) return value;
      const keep = mean === null ? 0 : Math.pow(smoothing, Math.max(1, x[i] - last));
      mean = mean === null ? value : keep * mean + (1 - keep) * value;
      last = x[i];
      return mean;
    });
  };

  const tableOf = (chart, isLog) => {
    const tables = chart.series.map((one) => [one.x, ...one.lines.map((line) =>
      smoothed(one.x, line.y).map((value) => (isLog && value !== null && value <= 0 ? null : value)))]);
    return tables.length === 1 ? tables[0] : uPlot.join(tables);
  };

  const linesOf = (chart) => chart.series.flatMap((one) => one.lines.map((line) => ({
    ...look(one.run, line.kind, chart.columns), label: several ? data.runs[one.run] + (chart.columns > 1 ? " " + line.label : "") : line.label,
    run: one.run, points: one.x.length < 40,
  })));

  const drawMarks = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    data.marks.forEach((marks, run) => marks.forEach((mark) => {
      if (several && mark.kind !== "best") return;
      const x = u.valToPos(mark.epoch, "x", true), dense = window.devicePixelRatio || 1;
      ctx.strokeStyle = mark.kind === "failed" ? variable("--bad") : several ? colour(run) : variable("--soft");
      ctx.lineWidth = dense * 1.25;
      ctx.setLineDash(mark.kind === "best" ? [6 * dense, 4 * dense] : mark.kind === "resumed" ? [1.5 * dense, 3 * dense] : []);
      if (several && data.runs.length > 4) ctx.globalAlpha = 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }));
    ctx.restore();
  };

  const spread = (u, low, high) => {
    if (low === null || low === undefined) return [0, 1];
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  };

  const reading = (figure, chart) => (u) => {
    const i = u.cursor.idx, out = figure.querySelector(".reading");
    if (i === null || i === undefined) { out.textContent = ""; return; }
    const parts = chart.lines.map((line, n) => [line.label, u.data[n + 1][i]]).filter(([, v]) => v !== null && v !== undefined);
    const near = several ? [] : data.marks[0].filter((mark) => Math.abs(mark.epoch - u.data[0][i]) <= 0.5).map((mark) => mark.text);
    out.textContent = `epoch ${u.data[0][i]}: ` + [...parts.map(([name, v]) => `${name} ${shown(v)}`), ...near].join(" · ");
  };

  const axis = (size) => ({
    stroke: () => variable("--soft"), grid: { stroke: () => variable("--grid"), width: 1 }, ticks: { stroke: () => variable("--line"), width: 1 },
    font: "12px system-ui, sans-serif", size,
  });

  const optionsOf = (figure, chart, isLog) => ({
    width: Math.max(200, figure.querySelector(".plot").clientWidth), height: HEIGHT,
    scales: { x: { time: false, range: spread }, y: isLog ? { distr: 3 } : {} },
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    axes: [{ ...axis(26), label: "epoch", labelSize: 18, labelFont: "12px system-ui, sans-serif", values: (u, ticks) => ticks.map((t) => (Number.isInteger(t) ? t : "")) },
      { ...axis(62), values: texts }],
    series: [{}, ...chart.lines.map((line) => ({
      label: line.label, stroke: () => colour(line.colour), dash: line.dash, width: line.width, spanGaps: false,
      points: { show: line.points, size: 5 },
    }))],
    hooks: { draw: [drawMarks], setCursor: [reading(figure, chart)] },
  });

  const legend = (figure, chart) => {
    const list = document.createElement("ul");
    list.className = "legend";
    if (chart.lines.length < 2) return list;
    chart.lines.forEach((line, i) => {
      const item = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => { line.hidden = !box.checked; figure.plot.setSeries(i + 1, { show: box.checked }); });
      label.append(box, sample(line), " " + line.label);
      item.append(label);
      list.append(item);
    });
    return list;
  };

  const sample = (line) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
    svg.setAttribute("viewBox", "0 0 26 10");
    svg.setAttribute("aria-hidden", "true");
    Object.entries({ x1: 0, y1: 5, x2: 26, y2: 5, stroke: `var(--c${line.colour})`, "stroke-width": 2.5, "stroke-dasharray": line.dash.join(" ") || "none" })
      .forEach(([name, value]) => stroke.setAttribute(name, value));
    svg.append(stroke);
    return svg;
  };

  const draw = (figure, chart) => {
    const place = figure.querySelector(".plot"), isLog = figure.querySelector(".log").checked;
    if (figure.plot) figure.plot.destroy();
    figure.plot = new uPlot(optionsOf(figure, chart, isLog), tableOf(chart, isLog), place);
    chart.lines.forEach((line, i) => line.hidden && figure.plot.setSeries(i + 1, { show: false }));
  };

  const resetZoom = (u) => u.setScale("x", { min: u.data[0][0], max: u.data[0][u.data[0].length - 1] });

  const move = (figure) => (event) => {
    const u = figure.plot, last = u.data[0].length - 1;
    if (event.key === "Escape") { resetZoom(u); return; }
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    const now = u.cursor.idx === null || u.cursor.idx === undefined ? (steps > 0 ? -1 : last + 1) : u.cursor.idx;
    const to = Math.min(last, Math.max(0, now + steps));
    u.setCursor({ left: u.valToPos(u.data[0][to], "x"), top: HEIGHT / 2 });
  };

  const start = (figure) => {
    const chart = data.charts.find((one) => one.key === figure.dataset.chart);
    chart.columns = new Set(chart.series.flatMap((one) => one.lines.map((line) => line.kind))).size;
    chart.lines = linesOf(chart);
    plots.push(() => draw(figure, chart));
    draw(figure, chart);
    figure.querySelector(".plot").after(legend(figure, chart));
    figure.querySelector(".log").addEventListener("change", () => draw(figure, chart));
    figure.querySelector(".plot").addEventListener("keydown", move(figure));
  };

  const redraw = () => plots.forEach((plot) => plot());
  const paint = () => { root.dataset.theme = chosenTheme || (prefersDark.matches ? "dark" : "light"); };

  const sortBy = (table, column, heads) => {
    const head = heads[column], down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0], rows = [...body.rows];
    const key = (row) => row.cells[column].dataset.order;
    const text = (row) => row.cells[column].textContent;
    rows.sort((a, b) => {
      const [p, q] = [key(a), key(b)], isNumber = [p !== undefined, q !== undefined];
      if (isNumber[0] !== isNumber[1]) return isNumber[0] ? -1 : 1;  // what has no number comes last, either way
      return (isNumber[0] ? p - q : text(a).localeCompare(text(b))) * (down ? -1 : 1);
    });
    body.append(...rows);
  };

  paint();
  document.querySelectorAll("figure[data-chart]").forEach(start);
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () => sortBy(table, i, heads)));
  });
  document.getElementById("theme").addEventListener("click", () => {
    chosenTheme = root.dataset.theme === "dark" ? "light" : "dark";
    paint();
    redraw();
  });
  const slider = document.getElementById("smoothing");
  if (slider) {
    slider.addEventListener("input", () => { smoothing = +slider.value; redraw(); });
    document.getElementById("reset").addEventListener("click", () => document.querySelectorAll("figure[data-chart]").forEach((f) => resetZoom(f.plot)));
  }
  prefersDark.addEventListener("change", () => { paint(); redraw(); });
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; redraw(); } });
  const before = () => { root.dataset.theme = "light"; redraw(); };
  window.addEventListener("beforeprint", before);
  window.addEventListener("afterprint", () => { paint(); redraw(); });
  root.dataset.ready = "yes";
})();
