// Over the figure: the hairline of the shown date, the band of a lapse, and a readout that follows the pointer or the
// arrow keys. No message until a click, the end of a drag, Enter or Escape.
const LEAST = 5; // pixels: less is a click, not a drag

const view64 = (data) => new Float64Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
const view32 = (data) => new Int32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));

function words(label) {
  const d = label.toString().padStart(17, "0");
  const seconds = d.slice(12) === "00000" ? "" : `:${d.slice(12, 14)}`;
  return `${d.slice(0, 4)}-${d.slice(4, 6)}-${d.slice(6, 8)} ${d.slice(8, 10)}:${d.slice(10, 12)}${seconds} Z`;
}

const amount = (v) => Number(v.toPrecision(5)).toString().replace("-", "−");

function nearest(times, t) {
  let low = 0;
  let high = times.length - 1;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (times[mid] <= t) low = mid;
    else high = mid;
  }
  return Math.abs(times[low] - t) <= Math.abs(times[high] - t) ? low : high;
}

function render({ model, el }) {
  el.classList.add("dv-chart-sheet");
  const shown = document.createElement("div");
  shown.className = "dv-hairline dv-hairline-shown";
  const hover = document.createElement("div");
  hover.className = "dv-hairline dv-hairline-hover";
  const box = document.createElement("div");
  box.className = "dv-chart-readout";
  const band = document.createElement("div");
  band.className = "dv-lapse-band";
  el.append(band, shown, hover, box);
  el.tabIndex = 0;
  el.setAttribute("role", "application");
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys for its cells
  let down = null; // where a drag began: {x, t}
  let dragged = null; // the two times of a lapse that is being chosen
  let cursor = -1; // the point of the first line that the arrow keys are at
  let anchor = -1; // where Shift was first held

  let lines = [];
  const load = () => {
    lines = model.get("lines").map((line) => ({
      ...line,
      millis: view64(line.millis),
      values: view64(line.values),
      counts: view32(line.counts),
      at: (i) => line.labels.getBigInt64(8 * i, true),
    }));
    hide();
    place();
  };
  const plot = () => {
    const [top, bottom, left, right] = model.get("margin");
    const area = el.getBoundingClientRect();
    return { top, bottom, left, width: area.width - left - right, area };
  };
  const across = (t) => (t - model.get("first")) / (model.get("last") - model.get("first") || 1);
  const place = () => {
    const t = model.get("shown");
    const part = t === null || t === undefined ? -1 : across(t);
    const visible = lines.length > 0 && part >= 0 && part <= 1;
    shown.style.display = visible ? "block" : "none";
    const [top, bottom, left, right] = model.get("margin");
    const at = (p) => `calc(${left}px + ${p} * (100% - ${left + right}px))`;
    shown.style.left = at(part);
    const ends = dragged || model.get("band");
    const [from, to] = ends.length ? ends.map(across).map((p) => Math.min(Math.max(p, 0), 1)) : [0, 0];
    band.style.display = lines.length > 0 && ends.length ? "block" : "none";
    band.style.left = at(Math.min(from, to));
    band.style.right = `calc(${right}px + ${1 - Math.max(from, to)} * (100% - ${left + right}px))`;
    for (const line of [shown, hover, band]) {
      line.style.top = `${top}px`;
      line.style.bottom = `${bottom}px`;
    }
  };
  const hide = () => {
    hover.style.display = "none";
    box.style.display = "none";
  };
  const time = (event) => {
    const p = plot();
    const part = (event.clientX - p.area.left - p.left) / p.width;
    if (part < -0.02 || part > 1.02 || !lines.length) return null;
    const first = model.get("first");
    return first + Math.min(Math.max(part, 0), 1) * (model.get("last") - first);
  };
  const read = (event) => {
    const t = time(event);
    if (t === null) return hide();
    cursor = nearest(lines[0].millis, t);
    tell(t);
  };
  const tell = (t) => {
    const p = plot();
    const rows = [];
    let at = null;
    for (const line of lines) {
      const i = nearest(line.millis, t);
      if (at === null) at = { t: line.millis[i], text: line.texts[i] || words(line.at(i)) };
      const row = document.createElement("div");
      const dot = document.createElement("i");
      dot.style.background = line.color;
      const value = line.values[i];
      const n = line.notes[i] ? `  ${line.notes[i]}` : line.counts[i] >= 0 ? `  n = ${line.counts[i]}` : "";
      const text = document.createElement("span");
      text.textContent = Number.isFinite(value) ? `${amount(value)} ${line.units}${n}` : "no valid value";
      row.append(dot, text);
      rows.push(row);
    }
    const head = document.createElement("strong");
    head.textContent = at.text;
    box.replaceChildren(head, ...rows);
    const x = p.left + across(at.t) * p.width;
    hover.style.display = "block";
    hover.style.left = `${x}px`;
    box.style.display = "block";
    const right = x > p.area.width / 2;
    box.style.left = right ? "auto" : `${x + 10}px`;
    box.style.right = right ? `${p.area.width - x + 10}px` : "auto";
  };
  el.addEventListener("pointermove", (event) => {
    read(event);
    if (!down) return;
    if (!dragged && Math.abs(event.clientX - down.x) < LEAST) return;
    dragged = [down.t, time(event) ?? (dragged || [0, down.t])[1]];
    place();
  });
  el.addEventListener("pointerleave", hide);
  el.addEventListener("pointerdown", (event) => {
    const t = event.button === 0 ? time(event) : null;
    if (t === null) return;
    down = { x: event.clientX, t };
    el.setPointerCapture(event.pointerId);
  });
  const drop = () => {
    down = null;
    dragged = null;
    anchor = -1;
    place();
  };
  const choose = (t) => model.send({ millis: lines[0].millis[nearest(lines[0].millis, t)] });
  el.addEventListener("pointerup", () => {
    if (!down) return;
    if (dragged && model.get("can_span")) model.send({ lapse: dragged });
    else if (!dragged) choose(down.t);
    drop();
  });
  el.addEventListener("pointercancel", drop);
  el.addEventListener("keydown", (event) => {
    if (!lines.length) return;
    const times = lines[0].millis;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -times.length, End: times.length }[event.key];
    if (by) {
      if (cursor < 0) cursor = nearest(times, model.get("shown") ?? model.get("first"));
      if (event.shiftKey && anchor < 0) anchor = cursor;
      cursor = Math.min(Math.max(cursor + by, 0), times.length - 1);
      if (!event.shiftKey) anchor = -1;
      dragged = anchor < 0 ? null : [times[anchor], times[cursor]];
      place();
      tell(times[cursor]);
    } else if (event.key === "Enter" && cursor >= 0) {
      if (dragged && model.get("can_span")) model.send({ lapse: dragged });
      else choose(times[cursor]);
      drop();
    } else if (event.key === "Escape") {
      if (!dragged) model.send({ back: true });
      drop();
      hide();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  const name = () => el.setAttribute("aria-label", model.get("hint"));
  el.addEventListener("blur", () => {
    drop();
    hide();
  });
  model.on("change:hint", name);
  name();
  model.on("change:lines", load);
  model.on("change:shown change:band change:first change:last change:margin", place);
  load();
}
export default { render };
