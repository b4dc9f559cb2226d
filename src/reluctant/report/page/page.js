"use strict";
// Draws the figures of the page when they come into sight, and answers to sliders, lists and keys.
(() => {
  const script = document.getElementById("script");
  const coarse = matchMedia("(pointer: coarse)");
  const MINUS = "\u2212";
  let figures = {}, numbers = new ArrayBuffer(0), seen = null;

  // -- unpacking ------------------------------------------------------------------------------

  async function unpack(id) {
    const letters = atob(document.getElementById(id).textContent);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }
  const text = (buffer) => new TextDecoder().decode(buffer);

  function table({ at, shape: [rows, columns], low, high, fine, log, wide }) {
    const Kind = fine ? Uint16Array : Uint8Array, gap = fine ? 65535 : 255;
    const levels = new Kind(numbers, at, rows * columns);
    const value = (level) => {
      if (level === gap) return null;
      const found = low + (level / (gap - 1)) * (high - low);
      return log ? 10 ** found : wide ? 1e-3 * Math.sinh(found) : found;
    };
    return Array.from({ length: rows }, (_, row) =>
      Array.from(levels.subarray(row * columns, (row + 1) * columns), value));
  }

  // What stands for colours and for numbers is replaced by them.
  function resolve(at, picked, style) {
    if (Array.isArray(at)) return at.map((each) => resolve(each, picked, style));
    if (at && typeof at === "object") {
      if (at.numbers) return at.numbers.pick ? table(at.numbers)[picked] : table(at.numbers);
      return Object.fromEntries(Object.entries(at).map(([key, each]) => [key, resolve(each, picked, style)]));
    }
    const name = typeof at === "string" && /^var\((--[\w-]+)\)$/.exec(at);
    return name ? style.getPropertyValue(name[1]).trim() : at;
  }

  // -- numbers as a person reads them ---------------------------------------------------------

  const percent = (share) => {
    const value = 100 * share;
    const said = value >= 9.95 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
    return `${said} %`;
  };

  // -- hover texts ----------------------------------------------------------------------------

  function spanAt(hover, row, column) {
    return hover.spans.find(([r0, r1, c0, c1]) => r0 <= row && row <= r1 && c0 <= column && column <= c1);
  }

  function texts(hover, z) {
    if (hover.kind === "grid") {
      return z.map((row, r) => row.map((value, c) => {
        const said = value === null ? "not seen"
          : `${percent(hover.unit === "ratio" ? 10 ** value : value)} ${hover.what}`;
        return `${plain(hover.rows[r])}<br>${hover.columns[c]}<br>${said}`;
      }));
    }
    const margins = table(hover.margin.numbers);
    return z.map((row, r) => row.map((rate, c) => {
      const span = spanAt(hover, r, c), margin = margins[r][c];
      const said = span ? `<b>${hover.word}</b> since ${hover.columns[span[2]]}`
        : rate === null ? "not seen" : `fires on ${percent(rate)}`;
      const reach = margin === null ? ""
        : `<br>margin ${margin <= -25 ? "below " : ""}${margin.toFixed(1).replace("-", MINUS)} standard deviations`;
      return `${hover.rows[r]}<br>${hover.columns[c]}<br>${said}${reach}`;
    }));
  }
  const plain = (words) => words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // The dead: hatched, so that no colour has to say it.
  function hatched(spans, style) {
    const x = [], y = [];
    for (const [r0, r1, c0, c1] of spans) {
      const [left, right, top, bottom] = [c0 - 0.5, c1 + 0.5, r0 - 0.5, r1 + 0.5];
      x.push(left, right, right, left, left, null);
      y.push(top, top, bottom, bottom, top, null);
    }
    return {
      type: "scatter", mode: "lines", x, y, fill: "toself", hoverinfo: "skip", line: { width: 0 },
      fillcolor: style.getPropertyValue("--paper").trim(), showlegend: false,
      fillpattern: { shape: "/", size: 6, solidity: 0.22, fgcolor: style.getPropertyValue("--dead").trim(),
        bgcolor: style.getPropertyValue("--paper").trim() },
    };
  }

  // -- drawing --------------------------------------------------------------------------------

  const controls = (key) => document.querySelectorAll(`[data-control="${key}"]`);
  const picked = (figure) => (figure.control ? Number(controls(figure.control)[0].value) : 0);

  function build(key) {
    const figure = figures[key], style = getComputedStyle(document.documentElement);
    const data = resolve(figure.data, picked(figure), style);
    const layout = resolve(figure.layout, 0, style);
    const ink = style.getPropertyValue("--ink").trim(), faint = style.getPropertyValue("--faint").trim();
    const paper = style.getPropertyValue("--paper").trim();
    for (const [name, axis] of Object.entries(layout)) {
      if (/^[xy]axis/.test(name)) Object.assign(axis, { tickfont: { color: faint, size: 12 }, title: { ...axis.title, font: { color: faint, size: 12 } } });
    }
    if (figure.hover) {
      data[0].text = texts(figure.hover, data[0].z);
      data[0].hovertemplate = "%{text}<extra></extra>";
      if (figure.hover.spans && figure.hover.spans.length) data.push(hatched(figure.hover.spans, style));
    }
    Object.assign(layout, {
      autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: ink, size: 12 },
      hoverlabel: { bgcolor: paper, bordercolor: faint, font: { color: ink, size: 13 }, align: "left" },
      hovermode: "closest",
      // A finger that drags wants to scroll.
      dragmode: coarse.matches ? false : "zoom",
    });
    return [data, layout];
  }

  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false, doubleClick: "reset" };

  function draw(plot) {
    if (!figures[plot.id]) return;
    const [data, layout] = build(plot.id);
    if (plot.dataset.drawn) Plotly.react(plot, data, layout, CONFIG);
    else {
      plot.dataset.drawn = "yes";
      plot.replaceChildren();
      Plotly.newPlot(plot, data, layout, CONFIG);
      plot.addEventListener("keydown", walk);
    }
  }
  const plots = () => [...document.querySelectorAll("[data-figure]")];
  const drawn = () => plots().filter((plot) => plot.dataset.drawn);

  // Arrow keys go from point to point, and its hover text follows.
  function walk(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const plot = event.currentTarget;
    if (event.key === "Escape") Plotly.Fx.unhover(plot);
    if (!step) return;
    event.preventDefault();
    const [row, column] = plot.at || [0, 0], trace = plot.data.findLastIndex((each) => each.hoverinfo !== "skip");
    const rows = trace >= 0 && plot.data[trace].z ? plot.data[trace].z.length : 1;
    const columns = rows > 1 || plot.data[trace].z ? plot.data[trace].z[0].length : plot.data[trace].x.length;
    const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
    plot.at = plot.at ? [clamp(row + step[0], rows), clamp(column + step[1], columns)] : [0, 0];
    const point = plot.data[trace].z ? { xval: plot.at[1], yval: plot.at[0] } : { pointNumber: plot.at[1] };
    Plotly.Fx.hover(plot, [{ curveNumber: trace, ...point }]);
    setTimeout(() => say(plot), 100); // plotly.js puts off what comes too fast
  }

  // What the eye reads at the pointer a screen reader is told.
  function say(plot) {
    const label = plot.querySelector(".hoverlayer");
    if (label) document.getElementById("said").textContent = label.textContent;
  }

  function moved(control) {
    const key = control.dataset.control, value = Number(control.value);
    for (const each of controls(key)) if (each !== control) each.value = value;
    if (control.dataset.labels) {
      const label = JSON.parse(control.dataset.labels)[value];
      if (control.type === "range") control.setAttribute("aria-valuetext", label);
      document.querySelector(`output[for="${control.id}"]`).textContent = label;
    }
    for (const plot of drawn()) if (figures[plot.id].control === key) draw(plot);
  }

  // -- the table ------------------------------------------------------------------------------

  function sort(button) {
    const head = button.closest("th"), body = button.closest("table").tBodies[0], place = head.cellIndex;
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => {
      const cell = row.cells[place], given = cell.dataset.value;
      return given === undefined ? cell.textContent.trim() : given === "" ? null : Number(given);
    };
    const rows = [...body.rows].sort((a, b) => {
      const [one, two] = [value(a), value(b)];
      if (one === null || two === null) return (one === null) - (two === null);
      const order = typeof one === "string" ? one.localeCompare(two) : one - two;
      return down ? -order : order;
    });
    body.append(...rows);
  }

  // -- the page -------------------------------------------------------------------------------

  async function start() {
    const [shapes, block] = await Promise.all([unpack("figures"), unpack("numbers")]);
    figures = JSON.parse(text(shapes));
    numbers = block;
    seen?.disconnect();
    seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        draw(entry.target);
      }
    }, { rootMargin: "400px" });
    plots().forEach((plot) => seen.observe(plot));
    for (const control of document.querySelectorAll("[data-control]")) {
      control.addEventListener("input", () => moved(control));
    }
    for (const button of document.querySelectorAll(".sortable button")) {
      button.addEventListener("click", () => sort(button));
    }
    reveal();
  }

  // A link to a page within a closed chapter opens it.
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }
  addEventListener("hashchange", reveal);

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn().forEach(draw));
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("print");
    plots().filter((plot) => plot.checkVisibility()).forEach(draw);
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("print");
    drawn().forEach(draw);
  });

  // Where the page is served while the run goes on, it is asked for again and put in place.
  async function refresh() {
    try {
      const answer = await fetch(location.pathname, { cache: "no-cache", headers: { "If-None-Match": script.dataset.state } });
      if (answer.status === 200) {
        script.dataset.state = answer.headers.get("ETag");
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        await renew(fresh);
      }
    } catch { /* the server is gone, or busy: the page stays as it is */ }
    setTimeout(refresh, 2000);
  }

  async function renew(fresh) {
    const kept = new Map([...document.querySelectorAll("[data-control]")].map((at) => [at.dataset.control, [at.value, at.value === at.max]]));
    const open = [...document.querySelectorAll("details[open]")].map((at) => at.querySelector("summary").textContent);
    const focus = document.activeElement?.id;
    document.title = fresh.title;
    document.getElementById("page").replaceWith(document.adoptNode(fresh.getElementById("page")));
    for (const control of document.querySelectorAll("[data-control]")) {
      const [value, last] = kept.get(control.dataset.control) || [control.value, true];
      if (!last || control.tagName === "SELECT") control.value = value;
    }
    for (const at of document.querySelectorAll("details")) {
      if (open.includes(at.querySelector("summary").textContent)) at.open = true;
    }
    await start();
    for (const control of document.querySelectorAll("[data-labels]")) moved(control);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  }

  async function main() {
    const code = document.createElement("script");
    code.textContent = text(await unpack("library"));
    document.head.append(code);
    const said = document.createElement("div");
    Object.assign(said, { id: "said", className: "skip" });
    said.setAttribute("role", "status");
    document.body.append(said);
    await start();
    if (script.dataset.state !== undefined) setTimeout(refresh, 2000);
    document.documentElement.dataset.ready = "yes";
  }
  main();
})();
