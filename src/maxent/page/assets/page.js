"use strict";
/* Draws the figures of a page from its CSV file with uPlot: zoom, cursor, toggles and axes. Without this script the
   figures are the SVG elements in their places. A live page calls `maxentPage.update` and `maxentPage.rebuild`. */
const maxentPage = (() => {
  const COLUMNS = 5; // run, metric, steps, minutes, updates
  const AXES = { steps: "environment steps per seed", minutes: "minutes", updates: "updates" };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const state = { axis: "steps", seeds: false, bands: true, chosen: false, plots: [] };

  /* Return a map from "run,metric" to {axis or column: numbers}. */
  function parse(text) {
    const [head, ...lines] = text.trim().split("\n").map((line) => line.split(","));
    const found = new Map();
    for (const cells of lines) {
      const key = cells[0] + "," + cells[1];
      if (!found.has(key)) found.set(key, Object.fromEntries(head.slice(2).map((name) => [name, []])));
      const block = found.get(key);
      for (let place = 2; place < head.length; place++)
        block[head[place]].push(cells[place] === "" ? null : Number(cells[place]));
    }
    return found;
  }

  function read() {
    const link = document.getElementById("data");
    const url = link ? link.getAttribute("href") : "data:,";
    return parse(decodeURIComponent(url.slice(url.indexOf(",") + 1)));
  }

  /* Return a number with four significant digits. */
  function shown(value) {
    if (value == null) return "–";
    const size = Math.abs(value);
    if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace("-", "−");
    const digits = size > 0 ? Math.max(0, Math.min(4, 3 - Math.floor(Math.log10(size)))) : 0;
    return value.toLocaleString("en", { maximumFractionDigits: digits }).replace("-", "−");
  }

  /* Return the labels of the ticks of an axis: all in thousands where the largest has five digits or more. */
  function labels(marks) {
    const from = Math.max(0, ...marks.map((mark) => Math.abs(mark ?? 0))) >= 1e4 ? 1e3 : 1e6;
    return marks.map((mark) => short(mark, from));
  }

  function short(value, from) {
    if (value == null) return "";
    const size = Math.abs(value);
    const text = size >= 1e6 ? +(value / 1e6).toPrecision(10) + "M" : size >= from ? +(value / 1e3).toPrecision(10) + "k" : size > 0 && size < 1e-3 ? value.toExponential() : String(+value.toPrecision(10));
    return text.replace("-", "−");
  }

  const faded = (colour, share) => colour + Math.round(255 * share).toString(16).padStart(2, "0");

  /* Return series, bands and tables of a chart for the chosen axis. */
  function prepare(plot) {
    const series = [{}], bands = [], tables = [];
    plot.spec.entries.forEach((entry, number) => {
      const block = state.data.get(entry.run + "," + entry.tag);
      if (!block) return;
      const colour = style("--series-" + entry.colour), hidden = plot.hidden.has(number);
      const rows = block[state.axis].map((x, row) => [x, row]).filter(([x]) => x != null);
      const columns = [];
      const add = (column, options) => {
        columns.push(column);
        series.push({ show: !hidden, spanGaps: true, points: { show: rows.length < 3 }, entry: number, column, ...options });
        return series.length - 1;
      };
      if (entry.band && state.bands) {
        const low = add("low", { auto: false, stroke: "transparent", width: 0, points: { show: false } });
        const high = add("high", { auto: false, stroke: "transparent", width: 0, points: { show: false } });
        bands.push({ series: [high, low], fill: faded(colour, 0.16) });
      }
      if (state.seeds)
        for (const seed of entry.seeds) add(seed, { label: seed, stroke: faded(colour, 0.5), width: 1, points: { show: false } });
      add("mean", { label: entry.label, stroke: colour, width: 2.2, dash: entry.dash });
      const xs = rows.map(([x]) => x);
      const known = (value) => (plot.spec.log && value <= 0 ? null : value); // a band may reach below what a logarithm has
      tables.push([xs, ...columns.map((name) => rows.map(([, row]) => known(block[name][row])))]);
    });
    return { series, bands, data: join(tables) };
  }

  /* Join tables over one axis; rows of the same place keep the last value. */
  function join(tables) {
    const places = [...new Set(tables.flatMap(([xs]) => xs))].sort((a, b) => a - b);
    const at = new Map(places.map((x, row) => [x, row]));
    const joined = [places];
    for (const [xs, ...columns] of tables)
      for (const column of columns) {
        const values = new Array(places.length).fill(null);
        xs.forEach((x, row) => { if (column[row] != null) values[at.get(x)] = column[row]; });
        joined.push(values);
      }
    return joined;
  }

  function draw(plot) {
    const { series, bands, data } = prepare(plot);
    plot.chart?.destroy();
    const grid = { stroke: style("--rule"), width: 1 }, ticks = { show: false };
    const axis = { stroke: style("--muted"), grid, ticks, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
    const options = {
      width: plot.box.clientWidth, height: 300, series, bands,
      legend: { show: false },
      cursor: { drag: { x: true, y: false, dist: 6 }, points: { show: (chart, index) => series[index].column === "mean" } },
      scales: { x: { time: false, range: (chart, low, high) => plot.zoomed ? [low, high] : [0, high > 0 ? high : 1] },
        y: { distr: plot.spec.log ? 3 : 1, range: (chart, low, high) => vertical(plot, chart, low, high) } },
      axes: [{ ...axis, grid: { show: false }, label: AXES[state.axis], labelSize: 18, size: 34, space: 64, values: (chart, marks) => labels(marks) },
        { ...axis, ...(plot.spec.log ? { splits: decades, filter: (chart, marks) => marks } : {}), size: 58, gap: 6, space: 38, values: (chart, marks) => labels(marks) }],
      hooks: { setCursor: [(chart) => tell(plot, chart)], setSelect: [(chart) => { plot.zoomed = chart.select.width > 0 || plot.zoomed; }] },
    };
    plot.chart = new uPlot(options, data, plot.box);
    plot.chart.over.addEventListener("dblclick", () => { plot.zoomed = false; }, true); // before uPlot goes back
    plot.box.classList.add("live");
  }

  /* Return the ticks of a logarithmic axis: powers of ten, with 2 and 5 times them where there are few. */
  function decades(chart, axis, low, high) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), step = Math.ceil((last - first) / 6);
    const marks = [];
    for (let power = first; power <= last; power += step)
      for (const factor of last - first > 3 ? [1] : [1, 2, 5]) marks.push(Number(`${factor}e${power}`));
    return marks.filter((mark) => mark >= low && mark <= high);
  }

  /* Return the vertical range for lines from low to high: a margin, and bands up to half the range around the lines. */
  function vertical(plot, chart, low, high) {
    if (low == null || high == null) return plot.spec.log ? [1, 10] : [0, 1];
    if (plot.spec.log) {
      const factor = low < high ? (high / low) ** 0.05 : 2;
      return [low / factor, high * factor];
    }
    const span = high - low, floor = low - span / 2, ceiling = high + span / 2, [first, last] = chart.series[0].idxs;
    chart.series.forEach((one, index) => {
      if (!index || !one.show || one.auto) return;
      for (let row = first; row <= last; row++) {
        const value = chart.data[index][row];
        if (value == null) continue;
        low = Math.min(low, Math.max(value, floor));
        high = Math.max(high, Math.min(value, ceiling));
      }
    });
    const space = 0.05 * (high - low || Math.max(Math.abs(high), 1));
    return [low - space, high + space];
  }

  /* Return the ends of the band of an entry in a row. */
  function interval(chart, entry, row) {
    return ["low", "high"].map((end) => {
      const index = chart.series.findIndex((one) => one.entry === entry && one.column === end);
      return index < 0 ? null : chart.data[index][row];
    });
  }

  /* Write the values under the cursor below the figure. */
  function tell(plot, chart) {
    const row = chart.cursor.idx;
    if (row == null) { plot.reading.textContent = ""; return; }
    const texts = [];
    chart.series.forEach((one, index) => {
      const value = chart.data[index][row];
      if (!index || !one.show || value == null || one.column === "low" || one.column === "high") return;
      const [low, high] = one.column === "mean" ? interval(chart, one.entry, row) : [];
      texts.push(`${one.label} ${shown(value)}` + (low == null || high == null ? "" : `, 95 % interval ${shown(low)} to ${shown(high)}`));
    });
    plot.reading.textContent = `${state.axis} ${shown(chart.data[0][row])}: ${texts.join(" · ") || "no value"}`;
  }

  /* Move the cursor, zoom and go back by keys. */
  function keys(plot, event) {
    const chart = plot.chart, count = chart.data[0].length;
    if (!count || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = chart.cursor.idx ?? 0, x = chart.data[0];
    const go = (to) => chart.setCursor({ left: chart.valToPos(x[Math.max(0, Math.min(count - 1, to))], "x"), top: 10 });
    const { min, max } = chart.scales.x, middle = Math.min(max, Math.max(min, x[row]));
    const zoom = (factor) => { plot.zoomed = true; chart.setScale("x", { min: middle - (middle - min) * factor, max: middle + (max - middle) * factor }); };
    const acts = {
      ArrowLeft: () => go(row - 1), ArrowRight: () => go(row + 1), Home: () => go(0), End: () => go(count - 1),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => { plot.zoomed = false; chart.setData(chart.data); }, Escape: () => chart.setCursor({ left: -10, top: -10 }),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  /* Make the legend's entries buttons that show and hide their lines. */
  function legend(plot, figure) {
    for (const item of figure.querySelectorAll(".legend li")) {
      const button = document.createElement("button"), number = Number(item.dataset.entry);
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        plot.hidden.has(number) ? plot.hidden.delete(number) : plot.hidden.add(number);
        button.setAttribute("aria-pressed", String(!plot.hidden.has(number)));
        draw(plot);
      });
    }
  }

  const all = () => state.plots.forEach((plot) => { plot.zoomed = false; draw(plot); });

  const watch = new ResizeObserver(() => state.plots.forEach((plot) => {
    if (plot.box.clientWidth !== plot.chart.width) plot.chart.setSize({ width: plot.box.clientWidth, height: 300 });
  }));

  /* Draw the figures that the document has now. */
  function figures() {
    state.data = read();
    watch.disconnect();
    state.plots.length = 0;
    const form = document.getElementById("controls"), seeds = document.getElementById("seeds"), bands = document.getElementById("bands");
    if (form) {
      form.hidden = false;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("change", () => {
        state.axis = form.elements.axis.value;
        state.seeds = !!seeds?.checked;
        state.bands = !!bands?.checked;
        state.chosen = true;
        all();
      });
      state.axis = form.elements.axis.value;
      state.seeds = !!seeds?.checked;
      state.bands = !!bands?.checked;
    }
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const box = figure.querySelector(".plot");
      const plot = { spec: JSON.parse(figure.dataset.chart), box, reading: figure.querySelector(".reading"), hidden: new Set(), zoomed: false };
      box.tabIndex = 0;
      box.setAttribute("role", "application");
      box.setAttribute("aria-label", box.querySelector("svg").getAttribute("aria-label"));
      box.addEventListener("keydown", (event) => keys(plot, event));
      legend(plot, figure);
      state.plots.push(plot);
      draw(plot);
    }
    state.plots.forEach((plot) => watch.observe(plot.box));
  }

  function start() {
    figures();
    const theme = document.getElementById("theme"), root = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", all);
    if (theme) {
      theme.hidden = false;
      theme.addEventListener("click", () => {
        const now = root.dataset.theme || (dark.matches ? "dark" : "light");
        root.dataset.theme = now === "dark" ? "light" : "dark";
        all();
      });
    }
  }

  /* Show the data that the document holds now, in the same figures, keeping zoom and choices. */
  function update() {
    state.data = read();
    for (const plot of state.plots) {
      const { min, max } = plot.chart.scales.x, zoomed = plot.zoomed;
      draw(plot);
      if (zoomed) plot.chart.setScale("x", { min, max });
    }
  }

  /* Show other figures, with the choices made before. */
  function rebuild() {
    const { axis, seeds, bands } = state, form = document.getElementById("controls");
    const box = document.getElementById("seeds"), intervals = document.getElementById("bands");
    if (form) form.elements.axis.value = axis;
    if (box && state.chosen) box.checked = seeds;
    if (intervals && state.chosen) intervals.checked = bands;
    figures();
  }

  start();
  return { update, rebuild, plots: state.plots };
})();
