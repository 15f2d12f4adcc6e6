// The bar of times. Text is set by textContent alone; the kernel is told a position and nothing else.
const RATES = [1, 2, 5, 10, 20, 30]; // steps a second
const PATIENCE = 4000; // ms to wait for a picture before play goes on without it
const TELL = 125; // ms between two words to the kernel while pictures play that are in the browser already
const TRIES = 200;

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
  let due = 0; // when play takes its next step
  let told = 0;
  let film = null; // the model of the pictures that the browser keeps

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
  // Show the picture of a time if it is here; else it is shown when it comes.
  const want = (i) => {
    if (!film) return false;
    const wish = { place: i, shown: false };
    film.trigger("dv:want", wish);
    return wish.shown;
  };
  const tell = (i) => {
    told = performance.now();
    if (i !== model.get("position")) {
      model.set("position", i);
      model.save_changes();
    }
  };
  const go = (i) => {
    if (!labels.length) return;
    const to = Math.min(Math.max(i, 0), last());
    show(to);
    want(to);
    tell(to);
  };
  const here = () => Number(range.value);

  const mark = (on) => {
    playing = on;
    cancelAnimationFrame(timer);
    play.replaceChildren(icon(on ? "pause" : "play"));
    play.title = on ? "Stop" : "Play";
    play.setAttribute("aria-label", play.title);
    play.setAttribute("aria-pressed", String(on));
    if (model.get("playing") !== on) {
      model.set("playing", on);
      model.save_changes();
    }
  };
  const pause = () => {
    mark(false);
    if (labels.length) tell(here());
  };
  // One step when its picture is in the browser; where none is kept, when the last one's is shown. So play never floods
  // the kernel; what does not come for long is gone over.
  const beat = (now) => {
    if (!playing) return;
    timer = requestAnimationFrame(beat);
    if (now < due) return;
    if (here() >= last()) {
      pause();
      return;
    }
    const to = here() + 1;
    const late = now - due > PATIENCE;
    if (want(to)) {
      show(to);
      if (now - told >= TELL) tell(to);
    } else {
      if (!late && (film || model.get("shown") !== here())) {
        if (here() !== model.get("position")) tell(here()); // pictures are made around the time that the kernel knows
        return;
      }
      go(to);
    }
    const period = 1000 / Number(rate.value);
    due = now - due > period ? now + period : due + period;
  };
  const toggle = () => {
    if (playing) return pause();
    if (last() < 1) return;
    mark(true);
    if (here() >= last()) go(0);
    due = performance.now();
    timer = requestAnimationFrame(beat);
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
    mark(false);
    range.max = String(Math.max(0, count - 1));
    for (const control of [range, play, rate]) control.disabled = count < 2;
    el.classList.toggle("dv-timeless", count === 0);
    show(Math.min(model.get("position"), Math.max(0, count - 1)));
    want(here());
  };
  const meet = async () => {
    const id = model.get("film");
    film = null;
    for (let left = TRIES; id && !film && left && id === model.get("film"); left -= 1) {
      try {
        film = await model.widget_manager.get_model(id);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50)); // it is on its way from the kernel still
      }
    }
    if (labels.length) want(here());
  };
  const remark = () => {
    note.textContent = model.get("note");
    note.title = model.get("note");
  };
  model.on("change:labels", load);
  model.on("change:position", () => {
    const to = model.get("position");
    // While it plays the kernel hears of times that are past. Where the times change too, `load` shows the position.
    if (playing || to === here() || (to >= labels.length && labels.length)) return;
    show(to);
    want(to);
  });
  model.on("change:note", remark);
  model.on("change:film", meet);
  load();
  remark();
  meet();
  return () => cancelAnimationFrame(timer);
}
export default { render };
