// Over the figure: the hairline of the shown date, and a readout that follows the pointer. No message until a click.
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
  el.append(shown, hover, box);

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
    shown.style.left = `calc(${left}px + ${part} * (100% - ${left + right}px))`;
    for (const line of [shown, hover]) {
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
    const p = plot();
    const rows = [];
    let at = null;
    for (const line of lines) {
      const i = nearest(line.millis, t);
      if (at === null) at = { t: line.millis[i], label: line.at(i) };
      const row = document.createElement("div");
      const dot = document.createElement("i");
      dot.style.background = line.color;
      const value = line.values[i];
      const n = line.counts[i] >= 0 ? `  n = ${line.counts[i]}` : "";
      const text = document.createElement("span");
      text.textContent = Number.isFinite(value) ? `${amount(value)} ${line.units}${n}` : "no valid value";
      row.append(dot, text);
      rows.push(row);
    }
    const head = document.createElement("strong");
    head.textContent = words(at.label);
    box.replaceChildren(head, ...rows);
    const x = p.left + across(at.t) * p.width;
    hover.style.display = "block";
    hover.style.left = `${x}px`;
    box.style.display = "block";
    const right = x > p.area.width / 2;
    box.style.left = right ? "auto" : `${x + 10}px`;
    box.style.right = right ? `${p.area.width - x + 10}px` : "auto";
  };
  el.addEventListener("pointermove", read);
  el.addEventListener("pointerleave", hide);
  el.addEventListener("click", (event) => {
    const t = time(event);
    if (t === null) return;
    model.send({ millis: lines[0].millis[nearest(lines[0].millis, t)] });
  });
  model.on("change:lines", load);
  model.on("change:shown change:first change:last", place);
  load();
}
export default { render };
