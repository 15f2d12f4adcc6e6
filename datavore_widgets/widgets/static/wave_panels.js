// Roughness and spectra of one acquisition side by side. What a pointer reads in one is marked in all; text is set by
// textContent or drawn, never as markup. The kernel hears two things: another acquisition, another swell.
const OUTER = [30, 50, 75, 100, 150, 200]; // metres: the wavelength at the rim
const RINGS = [800, 600, 400, 300, 200, 150, 100, 75, 50, 40];
const MOST_PIXELS = 520; // of a side: more cannot be told from a smooth picture
const RIM = 15; // pixels around the disc, for the letters
const G = 9.80665;
const RAD = Math.PI / 180;

const bytes = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
const f32 = (view) => (view ? new Float32Array(bytes(view)) : null);
const round = (v, digits = 3) => (Number.isFinite(v) ? Number(v.toPrecision(digits)).toString().replace("-", "−") : "–");
const degrees = (v) => `${String(Math.round(((v % 360) + 360) % 360)).padStart(3, "0")}°`;

function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Where a bin ends: halfway to its neighbours, on the logarithm for wavenumbers.
function edgesOfK(k) {
  const step = Math.sqrt(k[1] / k[0]);
  const out = [k[0] / step];
  for (let i = 1; i < k.length; i++) out.push(Math.sqrt(k[i - 1] * k[i]));
  out.push(k[k.length - 1] * Math.sqrt(k[k.length - 1] / k[k.length - 2]));
  return out;
}
function below(sorted, v) {
  let low = 0;
  let high = sorted.length - 1;
  if (v < sorted[0]) return -1;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (sorted[mid] <= v) low = mid;
    else high = mid;
  }
  return v >= sorted[high] ? high : low;
}

class Axes {
  constructor(k, phi) {
    this.k = k;
    this.phi = phi;
    this.nk = k.length;
    this.np = phi.length;
    this.kEdges = edgesOfK(k);
  }
  // The bin at a wavenumber and a direction in degrees; -1 outside.
  bin(k, phi) {
    if (k < this.kEdges[0] || k >= this.kEdges[this.nk]) return -1;
    const i = Math.min(this.nk - 1, below(this.kEdges, k));
    let best = 0;
    let least = 999;
    for (let j = 0; j < this.np; j++) {
      const off = Math.abs(((phi - this.phi[j] + 540) % 360) - 180);
      if (off < least) [best, least] = [j, off];
    }
    return i * this.np + best;
  }
  edgeBefore(j) {
    const before = this.phi[(j + this.np - 1) % this.np];
    const step = (this.phi[j] - before + 360) % 360 || 360;
    return this.phi[j] - step / 2;
  }
  // For every pixel of a square: four bins and their shares. Smooth between the centres of bins; the readout is not.
  table(size, radius, outer) {
    const at = new Int32Array(size * size * 4).fill(-1);
    const share = new Float32Array(size * size * 2);
    const middle = size / 2;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const east = x + 0.5 - middle;
        const north = middle - y - 0.5;
        const r = Math.hypot(east, north);
        if (r > radius) continue;
        const k = (r / radius) * outer;
        if (k < this.kEdges[0] || k >= this.kEdges[this.nk]) continue;
        const i0 = Math.max(0, Math.min(this.nk - 2, below(this.k, k)));
        const u = Math.min(1, Math.max(0, Math.log(k / this.k[i0]) / Math.log(this.k[i0 + 1] / this.k[i0])));
        const phi = (Math.atan2(east, north) / RAD + 360) % 360;
        let j0 = below(this.phi, phi);
        if (j0 < 0) j0 = this.np - 1;
        const j1 = (j0 + 1) % this.np;
        const step = (this.phi[j1] - this.phi[j0] + 360) % 360 || 360;
        const v = ((phi - this.phi[j0] + 360) % 360) / step;
        const n = y * size + x;
        at[4 * n] = i0 * this.np + j0;
        at[4 * n + 1] = (i0 + 1) * this.np + j0;
        at[4 * n + 2] = i0 * this.np + j1;
        at[4 * n + 3] = (i0 + 1) * this.np + j1;
        share[2 * n] = u;
        share[2 * n + 1] = v;
      }
    }
    return { at, share };
  }
}

function most(values) {
  let found = 0;
  if (values) for (const v of values) if (Math.abs(v) > found) found = Math.abs(v);
  return found;
}

// Pixels of a value by a table of 256 colours (r, g, b), on a square root: as amplitudes are, so that a low swell is
// seen beside a high one.
function painter(image, colours, low, high, root = true) {
  const bent = (v) => (root ? Math.sign(v) * Math.sqrt(Math.abs(v)) : v);
  const first = bent(low);
  const scale = 255.999 / (bent(high) - first || 1);
  return (n, v) => {
    if (!Number.isFinite(v)) return;
    const c = 3 * Math.max(0, Math.min(255, Math.floor((bent(v) - first) * scale)));
    image.data[4 * n] = colours[c];
    image.data[4 * n + 1] = colours[c + 1];
    image.data[4 * n + 2] = colours[c + 2];
    image.data[4 * n + 3] = 255;
  };
}

function render({ model, el }) {
  el.classList.add("dv-plates");
  el.tabIndex = 0;
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys for its cells
  el.setAttribute("role", "group");
  el.title = "";
  el.setAttribute("aria-label", "Spectra of the imagette: left and right arrow keys step through the pass, up and down choose a swell");

  const row = make("div", "dv-plate-row");
  const names = ["roughness", "real", "imaginary", "swell", "model"];
  const plates = names.map((name) => {
    const figure = make("figure", `dv-plate dv-plate-${name}`);
    const caption = make("figcaption");
    const title = make("strong");
    const sub = make("span", "dv-muted");
    caption.append(title, sub);
    const stage = make("div", "dv-plate-stage");
    const base = make("canvas");
    base.setAttribute("role", "img");
    const over = make("canvas", "dv-plate-over");
    over.setAttribute("aria-hidden", "true");
    const empty = make("div", "dv-plate-empty");
    stage.append(base, over, empty);
    const scale = make("div", "dv-plate-scale");
    const low = make("span");
    const strip = make("i");
    const high = make("span");
    scale.append(low, strip, high);
    figure.append(caption, stage, scale);
    row.append(figure);
    return { name, figure, title, sub, stage, base, over, empty, low, strip, high, scale };
  });

  const line = make("div", "dv-plate-line");
  const readout = make("output", "dv-plate-readout");
  const rim = make("select", "dv-plate-rim");
  rim.title = "The shortest waves that are shown (keys + and −)";
  rim.setAttribute("aria-label", rim.title);
  for (const metres of OUTER) {
    const option = make("option", "", `rim ${metres} m`);
    option.value = String(metres);
    rim.append(option);
  }
  rim.value = "75";
  rim.dataset.lmSuppressShortcuts = "true";
  line.append(readout, rim);
  const swells = make("div", "dv-swells");
  swells.setAttribute("role", "group");
  swells.setAttribute("aria-label", "Swells of this imagette");
  el.append(row, line, swells);

  let plate = null;
  let axes = null;
  let layers = {};
  let tables = new Map();
  let hover = null;
  let pointer = null; // where it rests: what comes under it next is read too
  let frame = 0;

  const outer = () => (2 * Math.PI) / Number(rim.value);
  const style = () => getComputedStyle(el);
  const isDark = () => {
    const [r, g, b] = (style().color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    return 0.299 * r + 0.587 * g + 0.114 * b > 128;
  };
  const colours = (name) => new Uint8Array(bytes(model.get("tables")[`${name}_${isDark() ? "dark" : "light"}`]));

  const load = () => {
    plate = model.get("plate");
    hover = null;
    if (plate && plate.k) {
      axes = new Axes(new Float64Array(bytes(plate.k)), new Float64Array(bytes(plate.phi)));
      layers = {
        swell: f32(plate.energy),
        model: f32(plate.model),
        real: f32(plate.re),
        imaginary: f32(plate.im),
        partitions: new Int16Array(bytes(plate.partitions)),
        shortest: f32(plate.shortest),
      };
    } else {
      axes = null;
      layers = {};
    }
    tables = new Map();
    for (const one of plates) {
      const words = (plate && plate.words && plate.words[one.name]) || { title: "", sub: "", empty: "" };
      one.title.textContent = words.title;
      one.sub.textContent = words.sub;
      one.sub.title = words.sub;
      one.empty.textContent = words.empty;
      one.base.setAttribute("aria-label", `${words.title} ${words.sub} ${words.empty}`);
    }
    list();
    later();
    read();
  };

  const list = () => {
    const chosen = model.get("chosen");
    const held = swells.contains(document.activeElement);
    const buttons = ((plate && plate.swells) || []).map((swell, n) => {
      const button = make("button", "dv-swell");
      button.type = "button";
      button.setAttribute("aria-pressed", String(n === chosen));
      const dot = make("i", "", String(n + 1));
      dot.style.background = swell.color;
      dot.style.color = swell.ink;
      button.append(dot, make("b", "", swell.height), make("span", "", swell.waves), make("span", "dv-muted", swell.quality));
      button.title = swell.hint;
      button.addEventListener("click", () => model.send({ partition: n }));
      return button;
    });
    swells.replaceChildren(...buttons);
    if (plate && plate.words && !buttons.length) swells.append(make("span", "dv-muted", plate.none));
    if (held && buttons[chosen]) buttons[chosen].focus();
  };

  const later = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  };

  const geometry = (one) => {
    const css = one.stage.clientWidth;
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_PIXELS / Math.max(1, css));
    return { css, ratio, radius: css / 2 - RIM, middle: css / 2 };
  };

  const draw = () => {
    for (const one of plates) {
      const g = geometry(one);
      if (g.css < 40) continue;
      for (const canvas of [one.base, one.over]) {
        const wanted = Math.round(g.css * g.ratio);
        if (canvas.width !== wanted) canvas.width = canvas.height = wanted;
      }
      if (one.name === "roughness") drawRoughness(one, g);
      else drawSpectrum(one, g);
    }
    if (pointer && !hover) {
      hover = locate(pointer.one, pointer);
      read();
    }
    mark();
  };

  const absent = (one, is) => {
    one.stage.classList.toggle("dv-absent", is);
    one.scale.style.visibility = is ? "hidden" : "visible";
    if (is) one.base.getContext("2d").clearRect(0, 0, one.base.width, one.base.height);
  };
  const ramp = (one, table, low, high, units) => {
    const stops = [];
    for (let i = 0; i <= 16; i++) {
      const c = 3 * Math.min(255, i * 16);
      stops.push(`rgb(${table[c]} ${table[c + 1]} ${table[c + 2]})`);
    }
    one.strip.style.background = `linear-gradient(to right,${stops.join(",")})`;
    one.low.textContent = round(low);
    one.high.textContent = `${round(high)}${units ? ` ${units}` : ""}`;
    one.scale.title = one.name === "roughness" ? "" : "Colours run with the square root of the values";
  };

  const drawRoughness = (one, g) => {
    const picture = plate && plate.roughness;
    absent(one, !picture);
    if (!picture) return;
    const { width, height, low, high } = picture;
    const levels = new Uint8Array(bytes(picture.levels));
    const table = colours("roughness");
    const small = new OffscreenCanvas(width, height);
    const image = new ImageData(width, height);
    const paint = painter(image, table, 0, 254, false);
    for (let n = 0; n < levels.length; n++) if (levels[n] < 255) paint(n, levels[n]);
    small.getContext("2d").putImageData(image, 0, 0);
    const ctx = one.base.getContext("2d");
    ctx.setTransform(g.ratio, 0, 0, g.ratio, 0, 0);
    ctx.clearRect(0, 0, g.css, g.css);
    ctx.imageSmoothingQuality = "high";
    const side = g.css - 2;
    const fit = side / Math.max(width, height);
    const [w, h] = [width * fit, height * fit];
    one.frame = { left: (g.css - w) / 2, top: (g.css - h) / 2, w, h, metres: (width * picture.spacing) / w };
    ctx.drawImage(small, one.frame.left, one.frame.top, w, h);
    ramp(one, table, low, high, "");
    const pixels = 5000 / one.frame.metres;
    // They lie beside the picture, on the page.
    const { strong, halo } = inks();
    inked(ctx, () => {
      ctx.beginPath();
      ctx.moveTo(10, g.css - 12);
      ctx.lineTo(10 + pixels, g.css - 12);
    }, strong, halo);
    word(ctx, "5 km", 10 + pixels / 2, g.css - 20, "center", halo, strong);
    arrow(ctx, g.css - 14, 30, g.css - 14, 12, strong, halo);
    word(ctx, "N", g.css - 14, 40, "center", halo, strong);
    const swell = plate.swells[model.get("chosen")];
    if (swell && Number.isFinite(swell.wavelength) && Number.isFinite(swell.direction)) {
      // Four waves of the chosen swell, to scale.
      const step = swell.wavelength / one.frame.metres;
      const [dx, dy] = [Math.sin(swell.direction * RAD), -Math.cos(swell.direction * RAD)];
      const half = Math.max(14, 2 * step);
      inked(ctx, () => {
        ctx.beginPath();
        for (let n = -2; n <= 2; n++) {
          if (step < 3) break;
          const [x, y] = [g.middle + n * step * dx, g.middle + n * step * dy];
          ctx.moveTo(x + 9 * dy, y - 9 * dx);
          ctx.lineTo(x - 9 * dy, y + 9 * dx);
        }
      }, swell.color);
      arrow(ctx, g.middle - half * dx, g.middle - half * dy, g.middle + (half + 10) * dx, g.middle + (half + 10) * dy, swell.color);
    }
  };

  const inks = () => (isDark()
    ? { ink: "rgb(255 255 255 / 46%)", strong: "#f2f3f5", halo: "rgb(0 0 0 / 75%)" }
    : { ink: "rgb(20 22 30 / 42%)", strong: "#16181d", halo: "rgb(255 255 255 / 82%)" });
  const inked = (ctx, path, color = "#fff", halo = "rgb(0 0 0 / 65%)") => {
    path();
    ctx.lineCap = "round";
    ctx.strokeStyle = halo;
    ctx.lineWidth = 4.5;
    ctx.stroke();
    ctx.strokeStyle = color;
    ctx.lineWidth = 2;
    ctx.stroke();
  };
  const arrow = (ctx, x0, y0, x1, y1, color, halo) => {
    const a = Math.atan2(y1 - y0, x1 - x0);
    inked(ctx, () => {
      ctx.beginPath();
      ctx.moveTo(x0, y0);
      ctx.lineTo(x1, y1);
      ctx.moveTo(x1 - 7 * Math.cos(a - 0.5), y1 - 7 * Math.sin(a - 0.5));
      ctx.lineTo(x1, y1);
      ctx.lineTo(x1 - 7 * Math.cos(a + 0.5), y1 - 7 * Math.sin(a + 0.5));
    }, color, halo);
  };
  const word = (ctx, text, x, y, align, halo, fill, size = 10.5) => {
    ctx.font = `600 ${size}px ${style().fontFamily}`;
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    ctx.strokeStyle = halo;
    ctx.lineWidth = 3;
    ctx.strokeText(text, x, y);
    ctx.fillStyle = fill;
    ctx.fillText(text, x, y);
  };

  const cartesian = (name) => {
    const c = plate.cartesian;
    if (!c) return null;
    const values = f32(c[name === "real" ? "re" : "im"]);
    const kr = new Float64Array(bytes(c.k_range));
    const ka = new Float64Array(bytes(c.k_azimuth));
    return { values, kr, ka, at: (kx, ky) => {
      const h = plate.heading * RAD;
      const along = kx * Math.sin(h) + ky * Math.cos(h);
      const across = kx * Math.cos(h) - ky * Math.sin(h); // right of the flight: where Sentinel-1 looks
      const i = near(ka, along);
      const j = near(kr, across);
      return i < 0 || j < 0 ? NaN : values[i * kr.length + j];
    } };
  };
  const near = (axis, v) => {
    const step = (axis[axis.length - 1] - axis[0]) / (axis.length - 1);
    const n = Math.round((v - axis[0]) / step);
    return n < 0 || n >= axis.length ? -1 : n;
  };

  const drawSpectrum = (one, g) => {
    const values = axes ? layers[one.name] : null;
    const other = !values && axes && (one.name === "real" || one.name === "imaginary") ? cartesian(one.name) : null;
    absent(one, !values && !other);
    one.read = null;
    if (!values && !other) return;
    const ctx = one.base.getContext("2d");
    const size = one.base.width;
    const image = new ImageData(size, size);
    const odd = one.name === "imaginary";
    const all = other ? other.values : values;
    const top = most(all);
    const table = colours(odd ? "imaginary" : one.name === "real" ? "real" : "energy");
    const paint = painter(image, table, odd ? -top : 0, top || 1);
    if (values) {
      const key = `${size} ${rim.value}`;
      if (!tables.has(key)) tables.set(key, axes.table(size, g.radius * g.ratio, outer()));
      const { at, share } = tables.get(key);
      for (let n = 0; n < size * size; n++) {
        const a = at[4 * n];
        if (a < 0) continue;
        const u = share[2 * n];
        const v = share[2 * n + 1];
        paint(n, (1 - v) * ((1 - u) * values[a] + u * values[at[4 * n + 1]]) + v * ((1 - u) * values[at[4 * n + 2]] + u * values[at[4 * n + 3]]));
      }
      one.read = (k, phi, bin) => (bin < 0 ? NaN : values[bin]);
    } else {
      for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) {
          const kx = ((x + 0.5 - size / 2) / (g.radius * g.ratio)) * outer();
          const ky = ((size / 2 - y - 0.5) / (g.radius * g.ratio)) * outer();
          if (Math.hypot(kx, ky) <= outer()) paint(y * size + x, other.at(kx, ky));
        }
      }
      one.read = (k, phi) => other.at(k * Math.sin(phi * RAD), k * Math.cos(phi * RAD));
    }
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.putImageData(image, 0, 0);
    ramp(one, table, odd ? -top : 0, top, one.name === "swell" || one.name === "model" ? "m⁴" : plate.cross_units);
    ctx.setTransform(g.ratio, 0, 0, g.ratio, 0, 0);
    decorate(one, ctx, g);
  };

  const decorate = (one, ctx, g) => {
    const { ink, strong, halo } = inks();
    const { middle, radius } = g;
    const circle = (r) => {
      ctx.beginPath();
      ctx.arc(middle, middle, r, 0, 2 * Math.PI);
      ctx.stroke();
    };
    ctx.lineWidth = 1;
    ctx.strokeStyle = ink;
    ctx.setLineDash([2, 3]);
    const rings = [];
    for (const metres of RINGS) {
      const r = ((2 * Math.PI) / metres / outer()) * radius;
      if (r > radius * 0.94 || r < 12 || (rings.length && r - rings[rings.length - 1][1] < 15)) continue;
      rings.push([metres, r]);
      circle(r);
    }
    for (const angle of [0, 45, 90, 135]) {
      const [dx, dy] = [Math.sin(angle * RAD), -Math.cos(angle * RAD)];
      ctx.beginPath();
      ctx.moveTo(middle - radius * dx, middle - radius * dy);
      ctx.lineTo(middle + radius * dx, middle + radius * dy);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    circle(radius);
    ctx.save();
    ctx.beginPath();
    ctx.arc(middle, middle, radius, 0, 2 * Math.PI);
    ctx.clip();
    if (Number.isFinite(plate.cutoff) && plate.cutoff > 0) {
      const d = ((2 * Math.PI) / plate.cutoff / outer()) * radius;
      const [dx, dy] = [Math.sin(plate.heading * RAD), -Math.cos(plate.heading * RAD)];
      for (const side of d < radius ? [1, -1] : []) {
        ctx.beginPath();
        ctx.moveTo(middle + side * d * dx + radius * dy, middle + side * d * dy - radius * dx);
        ctx.lineTo(middle + side * d * dx - radius * dy, middle + side * d * dy + radius * dx);
        ctx.strokeStyle = halo;
        ctx.lineWidth = 3.2;
        ctx.stroke();
        ctx.setLineDash([6, 4]);
        ctx.strokeStyle = strong;
        ctx.lineWidth = 1.2;
        ctx.stroke();
        ctx.setLineDash([]);
      }
    }
    outlines(one, ctx, g, halo);
    ctx.restore();
    for (const [metres, r] of rings) {
      const angle = 157.5 * RAD;
      word(ctx, `${metres}`, middle + r * Math.sin(angle), middle - r * Math.cos(angle), "center", halo, strong, 9.5);
    }
    const letters = { N: [0, -1], E: [1, 0], S: [0, 1], W: [-1, 0] };
    for (const [letter, [dx, dy]] of Object.entries(letters)) {
      word(ctx, letter, middle + dx * (radius + 8), middle + dy * (radius + 8), "center", "transparent", strong, 10);
    }
    if ((one.name === "swell" || one.name === "model") && Number.isFinite(plate.wind_from)) {
      const [dx, dy] = [Math.sin(plate.wind_from * RAD), -Math.cos(plate.wind_from * RAD)];
      arrow(ctx, middle + (radius - 1) * dx, middle + (radius - 1) * dy, middle + (radius - 24) * dx, middle + (radius - 24) * dy, "#e9b44c");
    }
  };

  // Along the edges of bins between one partition and what is beside it.
  const outlines = (one, ctx, g, halo) => {
    const parts = layers.partitions;
    if (!parts || !parts.length) return;
    const chosen = model.get("chosen");
    const { middle, radius } = g;
    const r = (k) => (k / outer()) * radius;
    plate.swells.forEach((swell, number) => {
      const id = swell.id;
      const path = new Path2D();
      let any = false;
      for (let i = 0; i < axes.nk; i++) {
        for (let j = 0; j < axes.np; j++) {
          if (parts[i * axes.np + j] !== id) continue;
          any = true;
          const j1 = (j + 1) % axes.np;
          const start = (axes.edgeBefore(j) - 90) * RAD;
          let stop = (axes.edgeBefore(j1) - 90) * RAD;
          if (stop < start) stop += 2 * Math.PI;
          const [low, high] = [r(axes.kEdges[i]), r(axes.kEdges[i + 1])];
          const arc = (at) => {
            path.moveTo(middle + at * Math.cos(start), middle + at * Math.sin(start));
            path.arc(middle, middle, at, start, stop);
          };
          const ray = (angle) => {
            path.moveTo(middle + low * Math.cos(angle), middle + low * Math.sin(angle));
            path.lineTo(middle + high * Math.cos(angle), middle + high * Math.sin(angle));
          };
          if (i === 0 || parts[(i - 1) * axes.np + j] !== id) arc(low);
          if (i === axes.nk - 1 || parts[(i + 1) * axes.np + j] !== id) arc(high);
          if (parts[i * axes.np + ((j + axes.np - 1) % axes.np)] !== id) ray(start);
          if (parts[i * axes.np + j1] !== id) ray(stop);
        }
      }
      if (!any) return;
      const is = number === chosen;
      ctx.strokeStyle = halo;
      ctx.lineWidth = is ? 5 : 3;
      ctx.stroke(path);
      ctx.strokeStyle = swell.color;
      ctx.lineWidth = is ? 2.6 : 1.3;
      ctx.stroke(path);
    });
    plate.swells.forEach((swell, number) => {
      if (!(swell.wavelength > 0) || !Number.isFinite(swell.direction)) return;
      const at = r((2 * Math.PI) / swell.wavelength);
      if (at > radius) return;
      const [dx, dy] = [Math.sin(swell.direction * RAD), -Math.cos(swell.direction * RAD)];
      const is = number === chosen;
      if (is && one.name === "swell") arrow(ctx, middle, middle, middle + 0.96 * radius * dx, middle + 0.96 * radius * dy, swell.color);
      ctx.beginPath();
      ctx.arc(middle + at * dx, middle + at * dy, is ? 8 : 7, 0, 2 * Math.PI);
      ctx.fillStyle = swell.color;
      ctx.fill();
      ctx.lineWidth = 1.3;
      ctx.strokeStyle = "#fff";
      ctx.stroke();
      word(ctx, String(number + 1), middle + at * dx, middle + at * dy + 0.5, "center", "transparent", swell.ink, 10);
    });
  };

  // The pointer

  const mark = () => {
    for (const one of plates) {
      const ctx = one.over.getContext("2d");
      const g = geometry(one);
      ctx.setTransform(1, 0, 0, 1, 0, 0);
      ctx.clearRect(0, 0, one.over.width, one.over.height);
      if (!hover || one.stage.classList.contains("dv-absent")) continue;
      ctx.setTransform(g.ratio, 0, 0, g.ratio, 0, 0);
      let spot = null;
      if (one.name === "roughness" && hover.place) spot = hover.place;
      if (one.name !== "roughness" && hover.k) {
        const r = (hover.k / outer()) * g.radius;
        spot = [g.middle + r * Math.sin(hover.phi * RAD), g.middle - r * Math.cos(hover.phi * RAD)];
      }
      if (!spot) continue;
      inked(ctx, () => {
        ctx.beginPath();
        ctx.arc(spot[0], spot[1], 5, 0, 2 * Math.PI);
      });
    }
  };

  const read = () => {
    if (!plate || !plate.words) {
      readout.textContent = "";
      return;
    }
    if (!hover) {
      readout.textContent = plate.told || "";
      readout.title = readout.textContent; // notes may be longer than the line
      return;
    }
    if (hover.place) {
      readout.textContent = hover.text;
      return;
    }
    const { k, phi, bin } = hover;
    const wavelength = (2 * Math.PI) / k;
    const parts = [
      `λ ${round(wavelength)} m`,
      `T ${round(Math.sqrt((2 * Math.PI * wavelength) / G))} s`,
      `towards ${degrees(phi)}`,
    ];
    const named = { swell: ["E", "m⁴"], real: ["Re", plate.cross_units], imaginary: ["Im", plate.cross_units], model: ["model", "m⁴"] };
    for (const one of plates) {
      if (!named[one.name] || !one.read) continue;
      const [word, units] = named[one.name];
      parts.push(`${word} ${round(one.read(k, phi, bin))}${units ? ` ${units}` : ""}`);
    }
    const shortest = bin >= 0 && layers.shortest ? layers.shortest[bin % axes.np] : NaN;
    if (Number.isFinite(shortest)) parts.push(`resolved there: ${round(shortest)} m and longer`);
    const id = bin >= 0 ? layers.partitions[bin] : -1;
    const number = plate.swells.findIndex((swell) => swell.id === id);
    if (number >= 0 && id >= 0) parts.push(`swell ${number + 1}`);
    readout.textContent = parts.join(" · ");
  };

  const locate = (one, event) => {
    const box = one.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const g = geometry(one);
    if (one.name === "roughness") {
      const picture = plate && plate.roughness;
      const f = one.frame;
      if (!picture || !f || x < f.left || x >= f.left + f.w || y < f.top || y >= f.top + f.h) return null;
      const column = Math.min(picture.width - 1, Math.floor(((x - f.left) / f.w) * picture.width));
      const rowAt = Math.min(picture.height - 1, Math.floor(((y - f.top) / f.h) * picture.height));
      const level = new Uint8Array(bytes(picture.levels))[rowAt * picture.width + column];
      const value = level === 255 ? NaN : picture.low + ((level + 0.5) / 255) * (picture.high - picture.low);
      const east = ((x - g.middle) * f.metres) / 1000;
      const north = ((g.middle - y) * f.metres) / 1000;
      const sides = `${round(Math.abs(east), 2)} km ${east < 0 ? "W" : "E"}, ${round(Math.abs(north), 2)} km ${north < 0 ? "S" : "N"}`;
      return { place: [x, y], text: `${sides} of the centre · roughness ${round(value)}` };
    }
    if (!axes || one.stage.classList.contains("dv-absent")) return null;
    const [east, north] = [x - g.middle, g.middle - y];
    const r = Math.hypot(east, north);
    if (r > g.radius) return null;
    const k = (r / g.radius) * outer();
    const phi = (Math.atan2(east, north) / RAD + 360) % 360;
    const bin = axes.bin(k, phi);
    if (bin < 0) return one.read && plate.cartesian ? { k, phi, bin } : null;
    return { k: axes.k[Math.floor(bin / axes.np)], phi: axes.phi[bin % axes.np], bin };
  };
  for (const one of plates) {
    one.stage.addEventListener("pointermove", (event) => {
      pointer = { one, clientX: event.clientX, clientY: event.clientY };
      hover = locate(one, event);
      mark();
      read();
    });
    one.stage.addEventListener("pointerleave", () => {
      hover = pointer = null;
      mark();
      read();
    });
    one.stage.addEventListener("click", (event) => {
      const spot = locate(one, event);
      if (!spot || !(spot.bin >= 0)) return;
      const number = plate.swells.findIndex((swell) => swell.id === layers.partitions[spot.bin]);
      if (number >= 0) model.send({ partition: number });
    });
  }

  const widen = (by) => {
    const at = Math.min(OUTER.length - 1, Math.max(0, OUTER.indexOf(Number(rim.value)) + by));
    rim.value = String(OUTER[at]);
    tables = new Map();
    later();
  };
  rim.addEventListener("change", () => widen(0));
  el.addEventListener("keydown", (event) => {
    if (event.target === rim || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    const count = (plate && plate.swells && plate.swells.length) || 0;
    if (step) model.send({ step });
    else if (event.key === "+") widen(-1);
    else if (event.key === "-") widen(1);
    else if (/^[1-9]$/.test(event.key) && Number(event.key) <= count) model.send({ partition: Number(event.key) - 1 });
    else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && count) {
      const by = event.key === "ArrowDown" ? 1 : -1;
      model.send({ partition: (model.get("chosen") + by + count) % count });
    } else return;
    event.preventDefault();
  });

  const chosen = () => {
    list();
    later();
  };
  model.on("change:plate", load);
  model.on("change:chosen", chosen);
  const sizes = new ResizeObserver(later);
  for (const one of plates) sizes.observe(one.stage);
  const theme = new MutationObserver(later);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  load();
  return () => {
    cancelAnimationFrame(frame);
    sizes.disconnect();
    theme.disconnect();
    model.off("change:plate", load);
    model.off("change:chosen", chosen);
  };
}
export default { render };
