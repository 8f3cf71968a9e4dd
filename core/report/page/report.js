"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  const colours = ["#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#eab308", "#ec4899", "#6366f1",
    "#84cc16", "#0ea5e9", "#78716c"];
  const shapes = ["circle", "rectRot", "triangle", "rect", "star"];
  const dashes = [[], [6, 3], [2, 2], [9, 3, 2, 3], [1, 4]];
  // The n-th of many things: a colour, and once the colours are used up another shape and dash.
  const mark = (n) => ({ colour: colours[n % colours.length],
    shape: shapes[Math.floor(n / colours.length) % shapes.length],
    dash: dashes[Math.floor(n / colours.length) % dashes.length] });
  const method = (run) => (data.comparison ? run.label.replace(/ seed \d+$/, "") : run.label);
  const methods = [...new Set(data.runs.map(method))];
  const markOf = (run) => mark(methods.indexOf(method(run)));
  const charts = [];

  const element = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    for (const child of children) node.append(child);
    return node;
  };
  const section = (title, text) => {
    const node = element("section", {}, element("h2", {}, title));
    if (text) node.append(element("p", { class: "quiet" }, text));
    page.append(node);
    return node;
  };
  const percent = (x) => (x === null || x === undefined ? "–" : (100 * x).toFixed(1));
  const score = (x) => percent(x && x.value);
  const number = (x, digits = 1) => (x === null || x === undefined || !isFinite(x) ? "–" : x.toFixed(digits));
  const duration = (s) => {
    if (!(s >= 0)) return "–";
    const whole = Math.round(s), h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    const two = (v) => String(v).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(whole % 60)}` : `${m}:${two(whole % 60)}`;
  };
  const table = (head, rows) => {
    const body = element("tbody");
    for (const row of rows) {
      const line = element("tr");
      for (const cell of row) line.append(cell instanceof Node && cell.nodeName === "TD" ? cell : element("td", {}, cell));
      body.append(line);
    }
    const names = element("tr", {}, ...head.map((text) => element("th", {}, text)));
    return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, names), body));
  };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Three digits, and more where ticks differ in later ones.
  const short = (x, i, ticks) => {
    const largest = Math.max(...ticks.map((tick) => Math.abs(tick.value)));
    const step = Math.abs(ticks[ticks.length - 1].value - ticks[0].value) / Math.max(1, ticks.length - 1);
    const digits = step > 0 ? Math.ceil(Math.log10(largest / step)) + 1 : 3;
    return String(Number(Number(x).toPrecision(Math.min(15, Math.max(3, digits)))));
  };
  const axis = (title, limit, bounds = {}) => ({ type: "linear", ...bounds,
    title: { display: !!title, text: title || "", color: style("--quiet") },
    ticks: { color: style("--quiet"), maxTicksLimit: limit, callback: short }, grid: { color: style("--line") } });
  const axes = (x, y, bounds) => ({ x: axis(x, 7), y: axis(y, 6, bounds) });
  const choice = (parent, names, choose) => {
    const buttons = names.map((text, i) => {
      const button = element("button", { type: "button", "aria-pressed": String(i === 0) }, text);
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        choose(i);
      });
      return button;
    });
    parent.append(element("div", { class: "switch" }, ...buttons));
  };
  const draw = (parent, title, configuration, tall) => {
    const canvas = element("canvas", { role: "img", "aria-label": title });
    parent.append(element("div", { class: "card" }, element("h3", {}, title),
      element("div", { class: tall ? "chart tall" : "chart" }, canvas)));
    const chart = new Chart(canvas, configuration);
    charts.push(chart);
    return chart;
  };
  const lines = (name, column) => data.runs.filter((run) => run.curves[name]).map((run) => ({
    label: run.label, borderColor: markOf(run).colour, backgroundColor: markOf(run).colour, borderWidth: 1.6,
    borderDash: markOf(run).dash, pointStyle: markOf(run).shape,
    pointRadius: run.curves[name].length < 12 ? 3 : 0, tension: 0,
    data: run.curves[name].map((point) => ({ x: point[column], y: point[2] })),
  }));
  const isShare = (name) => name.endsWith("_share");
  const curveCharts = [];
  const curve = (parent, name, title) => {
    if (!data.runs.some((run) => run.curves[name])) return;
    const chart = draw(parent, title, {
      type: "line", data: { datasets: lines(name, 0) },
      options: { animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: false } },
        scales: axes("step", "", isShare(name) ? { min: 0, max: 1 } : {}) },
    });
    curveCharts.push([chart, name]);
  };
  const swatch = ({ colour, shape, dash }) => {
    const canvas = element("canvas", { width: 52, height: 24, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: 4 });
    context.setLineDash(dash.map((length) => 2 * length));
    context.beginPath();
    context.moveTo(0, 12);
    context.lineTo(52, 12);
    context.stroke();
    context.setLineDash([]);
    Chart.helpers.drawPoint(context, { pointStyle: shape, radius: 8, borderWidth: 3 }, 26, 12);
    return canvas;
  };
  const legend = (parent) => {
    parent.append(element("div", { class: "legend" }, ...methods.map((name, i) =>
      element("span", {}, swatch(mark(i)), name))));
  };

  const trained = (run) => (run.facts.results || []).find((row) => /trained (teacher|student)/.test(row.features)) || {};
  const named = (run, name) => (run.facts.results || []).find((row) => row.features === name) || {};

  function head() {
    page.append(element("h1", {}, data.title));
    const budget = data.comparison ? `${data.comparison.budget} · ` : "";
    page.append(element("p", { class: "quiet" }, `${budget}${data.runs.length} run${data.runs.length === 1 ? "" : "s"} · made ${data.made}`));
  }

  const chance = (m) => {
    if (m.scores.length < 2 || !(m.p_to_best >= 0)) return "–";
    return m.p_to_best < 0.001 ? "p < 0.001" : `p = ${m.p_to_best.toFixed(3)}`;
  };

  // Runs of a suite that left nothing to read.
  const missing = () => (data.comparison ? data.comparison.runs : [])
    .filter((run) => !data.runs.some((known) => known.folder === run.folder))
    .map((run) => `${run.method}${run.data ? " · " + run.data : ""} seed ${run.seed}`);

  function ranking() {
    if (data.comparison) {
      const node = section("Ranking", "± is the 95 % interval of the mean over seeds; p is that of the paired t-test " +
        "over seeds against the best method of the data set.");
      const names = { linear: "linear", knn: "kNN" };
      const measure = data.comparison.measure, other = measure === "knn" ? "linear" : "knn";
      let set;
      const rows = data.comparison.methods.map((m) => {
        const best = m.data !== set;
        set = m.data;
        if (!m.score) return [m.method, m.data, ...Array(7).fill("–"), `0 of ${m.runs}`];
        const half = 50 * (m.score.high - m.score.low);
        return [m.method, m.data, `${score(m.score)}${half > 0 ? " ± " + half.toFixed(1) : ""}`, score(m.untrained),
          score(m[other]), best ? "best" : chance(m), String(m.steps), duration(m.wall_seconds),
          number(m.samples_per_second, 0), `${m.runs - m.failed} of ${m.runs}`];
      });
      const head = ["method", "data", `${names[measure] || measure} %`, "untrained %", `${names[other]} %`, "against best",
        "steps", "time", "samples/s", "runs"];
      const kept = head.map((_, i) => i).filter((i) => i !== 1 || data.comparison.methods.some((m) => m.data));
      node.append(table(kept.map((i) => head[i]), rows.map((row) => kept.map((i) => row[i]))));
    }
    const node = section("Runs", "Probes of frozen features: the trained encoder, the same encoder untrained, the raw input.");
    const rows = data.runs.map((run) => {
      const t = trained(run), f = run.facts;
      return [run.label, f.status, percent(t.linear), percent(t.knn), percent(named(run, "untrained encoder").linear),
        percent(named(run, "raw input").linear), number(t.effective_rank), number(t.lidar || null), String(f.step),
        duration(f.wall_seconds), number(f.samples_per_second, 0), number(f.peak_memory_bytes / 1048576, 0)];
    });
    const known = (row) => (row[2] === "–" ? -1 : parseFloat(row[2]));
    rows.sort((a, b) => known(b) - known(a));
    for (const label of missing()) rows.push([label, "not begun, or failed at once", ...Array(10).fill("–")]);
    node.append(table(["run", "status", "linear %", "kNN %", "untrained %", "raw %", "effective rank", "LiDAR", "steps", "time",
      "samples/s", "memory MiB"], rows));
  }

  function alarms() {
    const all = data.runs.flatMap((run) => (run.facts.alarms || []).map((alarm) => [run.label, alarm]));
    const errors = data.runs.filter((run) => run.facts.error);
    if (!all.length && !errors.length) return;
    const node = section("Alarms");
    for (const [label, alarm] of all)
      node.append(element("p", {}, element("strong", { class: "bad" }, `${label}, step ${alarm.step}: `), alarm.text));
    for (const run of errors)
      node.append(element("p", {}, element("strong", { class: "bad" }, `${run.label}: `), run.facts.error));
  }

  function curves() {
    const node = section("Training");
    legend(node);
    choice(node, ["over steps", "over time"], (column) => {
      for (const [chart, name] of curveCharts) {
        chart.data.datasets = lines(name, column);
        chart.options.scales.x.title.text = ["step", "seconds"][column];
        chart.update();
      }
    });
    const grid = element("div", { class: "grid" });
    node.append(grid);
    curve(grid, "loss", "loss");
    curve(grid, "lr", "learning rate");
    curve(grid, "gradient_norm", "gradient norm");
    const probes = section("Probes while training");
    const second = element("div", { class: "grid" });
    probes.append(second);
    for (const [name, title] of [["probe/linear", "linear probe"], ["probe/knn", "nearest neighbours"],
      ["probe/lidar", "LiDAR"], ["probe/rankme", "RankMe"], ["probe/alpha_req", "alpha-ReQ"]]) curve(second, name, title);
    if (!second.children.length) probes.remove();
    const health = section("Health", "Ranks count the directions that vary; a shortcut share near 1 with a small loss is " +
      "failure; a prediction cosine near 1 is the average answer to every question.");
    const third = element("div", { class: "grid" });
    health.append(third);
    const titles = { effective_rank: "effective rank of the features", rankme: "RankMe of the features",
      feature_std: "feature std", predictor_rank: "effective rank of the predictions",
      prediction_cosine: "cosine of prediction and mean target", target_variance: "variance of the targets",
      shortcut_share: "shortcut share of the targets", teacher_distance: "distance of teacher and student",
      "gradient_norm/encoder": "gradient norm, encoder", "gradient_norm/predictor": "gradient norm, predictor",
      "gradient_norm/projector": "gradient norm, projector", loader_wait_share: "share of time waiting for data",
      samples_per_second: "samples a second" };
    for (const [name, title] of Object.entries(titles)) curve(third, name, title);
    if (!third.children.length) health.remove();
  }

  function costs() {
    const points = data.runs.filter((run) => trained(run).linear !== undefined);
    if (!points.length) return;
    const node = section("Accuracy against cost");
    legend(node);
    const grid = element("div", { class: "grid" });
    node.append(grid);
    const batch = (run) => Number((run.config || {})["train.batch_size"] || 0);
    const costsOf = { "wall time, seconds": (run) => run.facts.wall_seconds,
      "training, TFLOP": (run) => (run.facts.step * (run.facts.flops_per_step || 0)) / 1e12,
      "training samples": (run) => run.facts.step * batch(run),
      "peak memory, MiB": (run) => run.facts.peak_memory_bytes / 1048576 };
    for (const [title, cost] of Object.entries(costsOf))
      draw(grid, `linear % against ${title}`, {
        type: "scatter",
        data: { datasets: points.map((run) => ({ label: run.label, backgroundColor: markOf(run).colour, borderColor: markOf(run).colour,
          pointStyle: markOf(run).shape, pointRadius: 5, data: [{ x: cost(run), y: 100 * trained(run).linear }] })) },
        options: { animation: false, maintainAspectRatio: false, plugins: { legend: { display: false } },
          scales: axes(title, "linear %") },
      });
    const most = Math.max(...data.runs.map((run) => run.facts.samples_per_second || 0), 1);
    const bars = data.runs.map((run) => {
      const rate = run.facts.samples_per_second || 0;
      const cell = element("td", { style: "width:40%" }, element("div", { class: "bar",
        style: `width:${(100 * rate) / most}%;background:${markOf(run).colour}` }));
      return [run.label, number(rate, 0), cell, number(100 * (run.facts.loader_wait_share || 0)),
        number(run.facts.peak_memory_bytes / 1048576, 0)];
    });
    node.append(element("h3", { class: "apart" }, "throughput"), table(["run", "samples/s", "", "loader wait %", "peak memory MiB"], bars));
  }

  function configurations() {
    if (data.runs.length < 2) return;
    const first = new Map();
    for (const run of data.runs) if (!first.has(method(run))) first.set(method(run), run);
    const shown = first.size > 1 ? [...first.values()] : data.runs;
    const keys = [...new Set(shown.flatMap((run) => Object.keys(run.config)))];
    const differing = keys.filter((key) => new Set(shown.map((run) => run.config[key])).size > 1);
    if (!differing.length) return;
    const node = section("Configurations", `The ${differing.length} of ${keys.length} keys in which they differ.`);
    node.append(table(["key", ...shown.map((run) => (first.size > 1 ? method(run) : run.label))], differing.map((key) =>
      [key, ...shown.map((run) => element("td", { class: "wrap" }, run.config[key] === undefined ? "–" : run.config[key]))])));
  }

  function confusions() {
    const shown = data.runs.filter((run) => trained(run).confusion);
    if (!shown.length) return;
    const node = section("Confusion", "Rows are true classes, columns the linear probe's guesses, in percent of the row.");
    const grid = element("div", { class: "grid wide" });
    node.append(grid);
    const seen = new Set();
    for (const run of shown) {
      if (seen.has(method(run))) continue;
      seen.add(method(run));
      const names = run.facts.classes || [];
      const rows = trained(run).confusion;
      const name = (i) => names[i] || String(i);
      const body = element("table", { class: "matrix" }, element("tr", {}, element("th"),
        ...rows.map((_, i) => element("th", { class: "upright" }, element("span", {}, name(i))))));
      rows.forEach((row, i) => {
        const sum = row.reduce((a, b) => a + b, 0) || 1;
        const line = element("tr", {}, element("th", { class: "left" }, name(i)));
        row.forEach((count, j) => {
          const share = count / sum;
          const hue = i === j ? "59,130,246" : "249,115,22";
          line.append(element("td", { style: `background:rgba(${hue},${share.toFixed(3)})`,
            title: `${name(i)} taken for ${name(j)}: ${count}` }, (100 * share).toFixed(0)));
        });
        body.append(line);
      });
      grid.append(element("div", { class: "card" }, element("h3", {}, run.label), element("div", { class: "scroll" }, body)));
    }
  }

  // Wide pictures are drawn lower, and large ones smoothly.
  const picture = (image) => {
    const most = Math.min(532, Math.max(96, 6 * image.width));
    const width = Math.max(44, Math.min(most, Math.round(96 * (image.width / image.height) ** 0.75)));
    return element("figure", { style: `width:${width}px` },
      element("img", { src: `data:image/png;base64,${image.png}`, alt: image.title,
        class: image.width < 2 * width ? "coarse" : "fine" }), element("figcaption", { class: "quiet" }, image.title));
  };

  function views() {
    const shown = data.runs.filter((run) => run.views);
    if (!shown.length) return;
    const node = section("What the model sees", "Tokens of the trained encoder as colours: the three main directions of all " +
      "tokens shown are red, green and blue. Alike colours are alike features. Where the targets of a generative method are " +
      "normalised patch by patch, what it fills in has the mean and deviation of the true patches.");
    for (const run of shown) {
      const card = element("div", { class: "card apart" }, element("h3", {}, run.label));
      if (run.views.reason) card.append(element("p", { class: "bad" }, `No pictures: ${run.views.reason}`));
      for (const [title, images] of Object.entries(run.views.pictures || {})) {
        card.append(element("p", { class: "quiet row" }, title), element("div", { class: "samples" }, ...images.map(picture)));
      }
      node.append(card);
    }
    scatters(shown.filter((run) => run.views.scatter));
  }

  // Points are [label, x, y, …], a pair of coordinates for each way of laying features out.
  const groups = (run, way) => {
    const names = run.facts.classes || [];
    const labels = [...new Set(run.views.scatter.map(([label]) => label))].sort((a, b) => a - b);
    return labels.map((label) => {
      const { colour, shape } = mark(Math.max(0, label));
      return { label: label < 0 ? "no label" : names[label] || String(label), pointRadius: 2.5, pointStyle: shape,
        backgroundColor: colour, borderColor: colour, data: run.views.scatter.filter((point) => point[0] === label)
          .map((point) => ({ x: point[1 + 2 * way], y: point[2 + 2 * way] })) };
    });
  };

  function scatters(shown) {
    if (!shown.length) return;
    const node = section("Features on a plane", "Pooled features of test samples: on their two main directions (PCA), or so " +
      "that near ones stay near (t-SNE, van der Maaten and Hinton 2008), whose distances between groups say little.");
    const all = [];
    if (shown.every((run) => run.views.scatter[0].length > 3)) {
      choice(node, ["PCA", "t-SNE"], (way) => {
        for (const [chart, run] of all) {
          chart.data.datasets = groups(run, way);
          chart.options.scales.x.title.text = way ? "" : "first direction";
          chart.options.scales.y.title.text = way ? "" : "second direction";
          chart.update();
        }
      });
    }
    const grid = element("div", { class: "grid" });
    node.append(grid);
    for (const run of shown) {
      all.push([draw(grid, run.label, {
        type: "scatter", data: { datasets: groups(run, 0) },
        options: { animation: false, maintainAspectRatio: false, plugins: { legend: { labels: { color: style("--quiet"),
          usePointStyle: true, boxWidth: 6, boxHeight: 6 } } }, scales: axes("first direction", "second direction") },
      }, true), run]);
    }
  }

  head();
  ranking();
  alarms();
  curves();
  costs();
  confusions();
  views();
  configurations();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of charts) {
      for (const axis of Object.values(chart.options.scales)) {
        axis.ticks.color = style("--quiet");
        axis.title.color = style("--quiet");
        axis.grid.color = style("--line");
      }
      chart.update();
    }
  });
  window.addEventListener("beforeprint", () => charts.forEach((chart) => chart.resize()));
})();
