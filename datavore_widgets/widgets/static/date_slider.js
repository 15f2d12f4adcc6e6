// The bar of times. Text is set by textContent alone; the kernel is told a position and nothing else.
const RATES = [1, 2, 5, 10, 20]; // steps a second
const PATIENCE = 4000; // ms to wait for a picture before play goes on without it

const ICONS = {
  first: "M4 3v10M12 3l-6 5 6 5z",
  prev: "M11 3l-6 5 6 5z",
  play: "M5 3l8 5-8 5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M5 3l6 5-6 5z",
  last: "M12 3v10M4 3l6 5-6 5z",
};

function icon(name) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, label, act) {
  const b = document.createElement("button");
  b.type = "button";
  b.className = `dv-step dv-step-${name}`;
  b.title = label;
  b.setAttribute("aria-label", label);
  b.append(icon(name));
  b.addEventListener("click", act);
  return b;
}

const two = (n) => String(n).padStart(2, "0");

function text(label) {
  const d = label.toString().padStart(17, "0");
  let out = `${d.slice(0, 4)}-${d.slice(4, 6)}-${d.slice(6, 8)} ${d.slice(8, 10)}:${d.slice(10, 12)}`;
  if (d.slice(12) !== "00000") out += `:${two(Number(d.slice(12, 14)))}` + (d.slice(14) === "000" ? "" : `.${d.slice(14)}`);
  return `${out} Z`;
}

function render({ model, el }) {
  el.classList.add("dv-bar");
  let labels = [];
  let playing = false;
  let timer = 0;
  let stepped = 0;

  const range = document.createElement("input");
  range.type = "range";
  range.min = "0";
  range.step = "1";
  range.className = "dv-range";
  range.setAttribute("aria-label", "Date");
  range.title = "Date: arrow keys go one step, Page Up and Page Down ten, Home and End to the ends";

  const output = document.createElement("div");
  output.className = "dv-date";
  const time = document.createElement("output");
  time.className = "dv-date-text";
  const note = document.createElement("div");
  note.className = "dv-date-note";
  output.append(time, note);

  const rate = document.createElement("select");
  rate.className = "dv-rate";
  rate.title = "Speed of play, in steps a second at most";
  rate.setAttribute("aria-label", rate.title);
  for (const r of RATES) {
    const option = document.createElement("option");
    option.value = String(r);
    option.textContent = `${r}/s`;
    rate.append(option);
  }
  rate.value = "5";

  // JupyterLab would take the arrow keys for its cells; it looks at the focused element alone.
  for (const control of [range, rate]) control.dataset.lmSuppressShortcuts = "true";

  const last = () => labels.length - 1;
  const show = (i) => {
    range.value = String(i);
    const words = labels.length ? text(labels[i]) : "no time axis";
    time.textContent = words;
    range.setAttribute("aria-valuetext", words);
    const done = labels.length ? (last() ? (100 * i) / last() : 100) : 0;
    range.style.setProperty("--dv-done", `${done}%`);
    for (const b of [first, prev]) b.disabled = i <= 0;
    for (const b of [next, end]) b.disabled = i >= last();
  };
  const go = (i) => {
    if (!labels.length) return;
    const to = Math.min(Math.max(i, 0), last());
    show(to);
    if (to !== model.get("position")) {
      model.set("position", to);
      model.save_changes();
    }
  };
  const here = () => Number(range.value);

  const pause = () => {
    playing = false;
    clearTimeout(timer);
    play.replaceChildren(icon("play"));
    play.title = "Play";
    play.setAttribute("aria-label", "Play");
    play.setAttribute("aria-pressed", "false");
  };
  // One step when the last one's picture is shown (or was waited for long enough), so play never floods the kernel.
  const beat = () => {
    clearTimeout(timer);
    if (!playing) return;
    const waited = performance.now() - stepped;
    const due = 1000 / Number(rate.value) - waited;
    const pending = model.get("shown") !== here() && waited < PATIENCE;
    if (due > 0 || pending) {
      timer = setTimeout(beat, due > 0 ? due : 20);
      return;
    }
    if (here() >= last()) {
      pause();
      return;
    }
    stepped = performance.now();
    go(here() + 1);
    beat();
  };
  const toggle = () => {
    if (playing) return pause();
    if (last() < 1) return;
    playing = true;
    play.replaceChildren(icon("pause"));
    play.title = "Stop";
    play.setAttribute("aria-label", "Stop");
    play.setAttribute("aria-pressed", "true");
    if (here() >= last()) go(0);
    stepped = performance.now();
    beat();
  };

  const first = button("first", "First time", () => go(0));
  const prev = button("prev", "One step back", () => go(here() - 1));
  const play = button("play", "Play", toggle);
  const next = button("next", "One step on", () => go(here() + 1));
  const end = button("last", "Last time", () => go(last()));
  play.setAttribute("aria-pressed", "false");

  range.addEventListener("input", () => {
    if (playing) pause();
    go(here());
  });
  range.addEventListener("keydown", (event) => {
    const by = { PageUp: 10, PageDown: -10 }[event.key];
    if (by) {
      event.preventDefault();
      if (playing) pause();
      go(here() + by);
    }
  });

  const steps = document.createElement("div");
  steps.className = "dv-steps";
  steps.setAttribute("role", "group");
  steps.setAttribute("aria-label", "Steps in time");
  steps.append(first, prev, play, next, end, rate);
  el.append(steps, range, output);

  const load = () => {
    const bytes = model.get("labels");
    const count = bytes ? Math.floor(bytes.byteLength / 8) : 0;
    labels = Array.from({ length: count }, (_, i) => bytes.getBigInt64(8 * i, true));
    pause();
    range.max = String(Math.max(0, count - 1));
    for (const control of [range, play, rate]) control.disabled = count < 2;
    el.classList.toggle("dv-timeless", count === 0);
    show(Math.min(model.get("position"), Math.max(0, count - 1)));
  };
  const tell = () => {
    note.textContent = model.get("note");
    note.title = model.get("note");
  };
  model.on("change:labels", load);
  model.on("change:position", () => {
    // Where the times change too, `load` shows the position among the new ones.
    const to = model.get("position");
    if (to !== here() && (to < labels.length || !labels.length)) show(to);
  });
  model.on("change:note", tell);
  load();
  tell();
  return () => clearTimeout(timer);
}
export default { render };
