// A button that asks the kernel for a file and saves it; or for the map's parts, which are drawn here as one picture,
// since the browser has the letters of every unit and every title. Text is drawn, never parsed.
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const EDGE = { left: 92, right: 40, top: 96, gap: 20 };

function floats(data) {
  return new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
}

function lines(ctx, text, width) {
  const found = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && ctx.measureText(longer).width > width) {
      found.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...found, line];
}

async function paint(sheet, buffers) {
  const picture = await createImageBitmap(new Blob([buffers[0]], { type: "image/png" }));
  const { width: w, height: h } = sheet;
  const canvas = document.createElement("canvas");
  const ctx = canvas.getContext("2d");
  ctx.font = `18px ${FONT}`;
  const caption = sheet.caption.flatMap((text) => lines(ctx, text, w));
  const flags = sheet.flags || [];
  const rows = Math.ceil(flags.length / 4);
  const colours = sheet.colors ? 66 : flags.length ? 28 * rows + 16 : 0;
  canvas.width = EDGE.left + w + EDGE.right;
  canvas.height = EDGE.top + h + 36 + EDGE.gap + colours + caption.length * 26 + EDGE.gap;
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  const write = (text, x, y, { size = 18, weight = 400, colour = "#222", align = "left", most } = {}) => {
    ctx.font = `${weight} ${size}px ${FONT}`;
    ctx.fillStyle = colour;
    ctx.textAlign = align;
    ctx.fillText(text, x, y, most);
  };
  write(sheet.title.slice(0, 1).toUpperCase() + sheet.title.slice(1), EDGE.left, 42, { size: 28, weight: 600, most: w });
  write(sheet.subtitle, EDGE.left, 74, { size: 20, colour: "#444", most: w });

  ctx.save();
  ctx.translate(EDGE.left, EDGE.top);
  ctx.fillStyle = "#dcdcdc";
  ctx.fillRect(0, 0, w, h);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(picture, 0, 0, w, h);
  ctx.beginPath();
  ctx.rect(0, 0, w, h);
  ctx.clip();
  const trace = (from, count) => {
    ctx.beginPath();
    for (const data of buffers.slice(from, from + count)) {
      const places = floats(data);
      for (let i = 0; i < places.length; i += 2) {
        if (i === 0) ctx.moveTo(places[0] * w, places[1] * h);
        else ctx.lineTo(places[i] * w, places[i + 1] * h);
      }
    }
  };
  const stroke = (colour, width) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.stroke();
  };
  trace(1, sheet.coast);
  stroke("rgb(20 20 20 / 75%)", 1.4);
  const rim = () => {
    stroke("#000", 6);
    stroke("#fff", 3);
  };
  trace(1 + sheet.coast, sheet.box);
  rim();
  for (const [x, y] of sheet.points) {
    ctx.beginPath();
    ctx.arc(x * w, y * h, 8, 0, 2 * Math.PI);
    rim();
  }
  ctx.restore();
  ctx.strokeStyle = "#222";
  ctx.lineWidth = 1;
  ctx.strokeRect(EDGE.left + 0.5, EDGE.top + 0.5, w - 1, h - 1);

  for (const [part, text] of sheet.across) {
    const x = EDGE.left + part * w;
    ctx.fillStyle = "#222";
    ctx.fillRect(x - 0.5, EDGE.top + h, 1, 7);
    write(text, x, EDGE.top + h + 26, { align: "center" });
  }
  for (const [part, text] of sheet.up) {
    const y = EDGE.top + part * h;
    ctx.fillStyle = "#222";
    ctx.fillRect(EDGE.left - 7, y - 0.5, 7, 1);
    write(text, EDGE.left - 12, y + 6, { align: "right" });
  }

  let y = EDGE.top + h + 36 + EDGE.gap;
  if (sheet.colors) {
    sheet.colors.forEach((colour, i, all) => {
      ctx.fillStyle = colour;
      const from = Math.round((i * w) / all.length);
      ctx.fillRect(EDGE.left + from, y, Math.round(((i + 1) * w) / all.length) - from, 20);
    });
    for (const [part, text] of sheet.ticks) {
      ctx.fillStyle = "#222";
      ctx.fillRect(EDGE.left + part * w - 0.5, y + 20, 1, 6);
      write(text, EDGE.left + part * w, y + 44, { align: "center" });
    }
  }
  flags.forEach(([colour, text], i) => {
    const x = EDGE.left + ((i % 4) * w) / 4;
    const at = y + 28 * Math.floor(i / 4);
    ctx.fillStyle = colour;
    ctx.fillRect(x, at, 20, 20);
    write(text, x + 28, at + 17, { most: w / 4 - 36 });
  });
  y += colours;
  caption.forEach((line, i) => write(line, EDGE.left, y + 26 * i + 18, { colour: "#444" }));
  return new Promise((resolve, fail) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : fail(new Error("the picture is too large"))), "image/png");
  });
}

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dv-button";
  const show = () => {
    button.textContent = model.get("label");
    button.title = model.get("hint");
    button.disabled = model.get("disabled");
  };
  let timer = 0;
  const say = (word) => {
    button.textContent = word;
    clearTimeout(timer);
    timer = setTimeout(show, 2000);
  };
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => model.send("save"));
  const save = async (content, buffers) => {
    if (content.problem) return say("Not saved");
    const link = document.createElement("a");
    const file = () => new Blob([buffers[0]], { type: "application/octet-stream" });
    link.href = URL.createObjectURL(model.get("paints") ? await paint(content, buffers) : file());
    link.download = content.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  model.on("msg:custom", save);
  model.on("change:label change:hint change:disabled", show);
  show();
  el.append(button);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", save);
  };
}
export default { render };
