"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  const colours = ["#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#eab308", "#ec4899", "#6366f1",
    "#84cc16", "#0ea5e9", "#78716c"];
  const method = (run) => run.label.replace(/ seed \d+$/, "");
  const methods = [...new Set(data.runs.map(method))];
  const colour = (run) => colours[methods.indexOf(method(run)) % colours.length];
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

  const axes = (x, y, log) => ({
    x: { type: "linear", title: { display: true, text: x, color: style("--quiet") },
      ticks: { color: style("--quiet"), maxTicksLimit: 7 }, grid: { color: style("--line") } },
    y: { type: log ? "logarithmic" : "linear", title: { display: !!y, text: y || "", color: style("--quiet") },
      ticks: { color: style("--quiet"), maxTicksLimit: 6 }, grid: { color: style("--line") } },
  });
  const draw = (parent, title, configuration, tall) => {
    const canvas = element("canvas", { role: "img", "aria-label": title });
    parent.append(element("div", { class: "card" }, element("h3", {}, title),
      element("div", { class: tall ? "chart tall" : "chart" }, canvas)));
    const chart = new Chart(canvas, configuration);
    charts.push(chart);
    return chart;
  };
  const lines = (name, column) => data.runs.filter((run) => run.curves[name]).map((run) => ({
    label: run.label, borderColor: colour(run), backgroundColor: colour(run), borderWidth: 1.6,
    pointRadius: run.curves[name].length < 12 ? 3 : 0, tension: 0,
    data: run.curves[name].map((point) => ({ x: point[column], y: point[2] })),
  }));
  const curveCharts = [];
  const curve = (parent, name, title) => {
    if (!data.runs.some((run) => run.curves[name])) return;
    const chart = draw(parent, title, {
      type: "line", data: { datasets: lines(name, 0) },
      options: { animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: { display: false } }, scales: axes("step") },
    });
    curveCharts.push([chart, name]);
  };
  const legend = (parent) => {
    parent.append(element("div", { class: "legend" }, ...methods.map((name, i) => element("span", {},
      element("i", { style: `background:${colours[i % colours.length]}` }), name))));
  };

  const trained = (run) => (run.facts.results || []).find((row) => /trained (teacher|student)/.test(row.features)) || {};
  const named = (run, name) => (run.facts.results || []).find((row) => row.features === name) || {};

  function head() {
    page.append(element("h1", {}, data.title));
    const budget = data.comparison ? `${data.comparison.budget} · ` : "";
    page.append(element("p", { class: "quiet" }, `${budget}${data.runs.length} run${data.runs.length === 1 ? "" : "s"} · made ${data.made}`));
  }

  function ranking() {
    if (data.comparison) {
      const node = section("Ranking", "± is the 95 % interval of the mean over seeds; p is that of the paired t-test " +
        "over seeds against the best method of the data set.");
      let set;
      const rows = data.comparison.methods.map((m) => {
        const best = m.data !== set;
        set = m.data;
        if (!m.score) return [m.method, m.data, "–", "–", "–", "–", "–", "–", "–", `0 of ${m.runs}`];
        const half = 50 * (m.score.high - m.score.low);
        return [m.method, m.data, `${percent(m.score.value)}${half > 0 ? " ± " + half.toFixed(1) : ""}`,
          percent(m.untrained.value), percent(m.knn.value),
          best ? "best" : m.scores.length < 2 ? "–" : `p = ${m.p_to_best.toFixed(3)}`, String(m.steps),
          duration(m.wall_seconds), m.samples_per_second.toFixed(0), `${m.runs - m.failed} of ${m.runs}`];
      });
      node.append(table(["method", "data", `${data.comparison.measure} %`, "untrained %", "kNN %", "against best", "steps",
        "time", "samples/s", "runs"], rows));
    }
    const node = section("Runs", "Probes of frozen features: the trained encoder, the same encoder untrained, the raw input.");
    const rows = data.runs.map((run) => {
      const t = trained(run), f = run.facts;
      return [run.label, f.status, percent(t.linear), percent(t.knn), percent(named(run, "untrained encoder").linear),
        percent(named(run, "raw input").linear), number(t.effective_rank), number(t.lidar), String(f.step),
        duration(f.wall_seconds), number(f.samples_per_second, 0), number(f.peak_memory_bytes / 1048576, 0)];
    });
    rows.sort((a, b) => parseFloat(b[2]) - parseFloat(a[2]) || 0);
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
    const buttons = [["over steps", 0, "step"], ["over time", 1, "seconds"]].map(([text, column, axis]) => {
      const button = element("button", { type: "button", "aria-pressed": String(column === 0) }, text);
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        for (const [chart, name] of curveCharts) {
          chart.data.datasets = lines(name, column);
          chart.options.scales.x.title.text = axis;
          chart.update();
        }
      });
      return button;
    });
    node.append(element("div", { class: "switch" }, ...buttons));
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
        data: { datasets: points.map((run) => ({ label: run.label, backgroundColor: colour(run), pointRadius: 5,
          data: [{ x: cost(run), y: 100 * trained(run).linear }] })) },
        options: { animation: false, maintainAspectRatio: false, plugins: { legend: { display: false } },
          scales: axes(title, "linear %") },
      });
    const most = Math.max(...data.runs.map((run) => run.facts.samples_per_second || 0), 1);
    const bars = data.runs.map((run) => {
      const rate = run.facts.samples_per_second || 0;
      const cell = element("td", { style: "width:40%" }, element("div", { class: "bar",
        style: `width:${(100 * rate) / most}%;background:${colour(run)}` }));
      return [run.label, number(rate, 0), cell, number(100 * (run.facts.loader_wait_share || 0)),
        number(run.facts.peak_memory_bytes / 1048576, 0)];
    });
    node.append(table(["run", "samples/s", "", "loader wait %", "peak memory MiB"], bars));
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
    const grid = element("div", { class: "grid" });
    node.append(grid);
    const seen = new Set();
    for (const run of shown) {
      if (seen.has(method(run))) continue;
      seen.add(method(run));
      const names = run.facts.classes || [];
      const rows = trained(run).confusion;
      const body = element("table", { class: "matrix" });
      rows.forEach((row, i) => {
        const sum = row.reduce((a, b) => a + b, 0) || 1;
        const line = element("tr", {}, element("th", { class: "left" }, names[i] || String(i)));
        row.forEach((count, j) => {
          const share = count / sum;
          const hue = i === j ? "59,130,246" : "249,115,22";
          line.append(element("td", { style: `background:rgba(${hue},${share.toFixed(3)})`,
            title: `${names[i] || i} taken for ${names[j] || j}: ${count}` }, (100 * share).toFixed(0)));
        });
        body.append(line);
      });
      grid.append(element("div", { class: "card" }, element("h3", {}, run.label), element("div", { class: "scroll" }, body)));
    }
  }

  const picture = (image) => {
    const canvas = element("canvas", { width: image.width, height: image.height, role: "img", "aria-label": image.title });
    const bytes = Uint8Array.from(atob(image.rgb), (c) => c.charCodeAt(0));
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(image.width, image.height);
    for (let i = 0, n = image.width * image.height; i < n; ++i) {
      pixels.data.set([bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2], 255], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    return element("figure", { style: "margin:0" }, canvas,
      element("figcaption", { class: "quiet", style: "font-size:12px" }, image.title));
  };

  function views() {
    const shown = data.runs.filter((run) => run.views);
    if (!shown.length) return;
    const node = section("What the model sees", "Tokens of the trained encoder as colours: the three main directions of all " +
      "tokens shown are red, green and blue. Alike colours are alike features.");
    for (const run of shown) {
      const card = element("div", { class: "card", style: "margin-bottom:16px" }, element("h3", {}, run.label));
      for (const [title, images] of Object.entries(run.views.pictures || {})) {
        card.append(element("p", { class: "quiet", style: "margin:10px 0 4px" }, title),
          element("div", { class: "samples" }, ...images.map(picture)));
      }
      node.append(card);
    }
    const grid = element("div", { class: "grid" });
    node.append(grid);
    for (const run of shown.filter((r) => r.views.scatter)) {
      const groups = new Map();
      run.views.scatter.forEach(([x, y, label]) => groups.set(label, [...(groups.get(label) || []), { x, y }]));
      const names = run.facts.classes || [];
      draw(grid, `features of test samples on their two main directions · ${run.label}`, {
        type: "scatter",
        data: { datasets: [...groups].sort((a, b) => a[0] - b[0]).map(([label, points]) => ({
          label: label < 0 ? "no label" : names[label] || String(label), data: points, pointRadius: 2.5,
          backgroundColor: colours[Math.max(0, label) % colours.length] })) },
        options: { animation: false, maintainAspectRatio: false, plugins: { legend: { labels: { color: style("--quiet"),
          boxWidth: 10 } } }, scales: axes("first direction", "second direction") },
      }, true);
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
