// A sheet over the map: pointer positions become a box, as parts of the sheet's width and height.
const LEAST = 4; // pixels: less is a click, not a drag

function render({ model, el }) {
  const sheet = document.createElement("div");
  sheet.className = "dv-box-sheet";
  sheet.tabIndex = -1;
  const frame = document.createElement("div");
  frame.className = "dv-box-frame";
  sheet.append(frame);
  el.classList.add("dv-box-tool");
  el.append(sheet);

  let start = null; // where the first corner is
  let dragging = false;

  const spot = (event) => {
    const area = sheet.getBoundingClientRect();
    const clamp = (v, most) => Math.min(Math.max(v, 0), most);
    return [clamp(event.clientX - area.left, area.width), clamp(event.clientY - area.top, area.height)];
  };
  const draw = (a, b) => {
    frame.style.display = "block";
    frame.style.left = `${Math.min(a[0], b[0])}px`;
    frame.style.top = `${Math.min(a[1], b[1])}px`;
    frame.style.width = `${Math.abs(a[0] - b[0])}px`;
    frame.style.height = `${Math.abs(a[1] - b[1])}px`;
  };
  const clear = () => {
    start = null;
    dragging = false;
    frame.style.display = "none";
  };
  const stop = () => {
    clear();
    model.set("active", false);
    model.save_changes();
  };
  const finish = (a, b) => {
    const { width, height } = sheet.getBoundingClientRect();
    clear();
    model.send({
      size: [width, height],
      box: [
        Math.min(a[0], b[0]) / width,
        Math.min(a[1], b[1]) / height,
        Math.max(a[0], b[0]) / width,
        Math.max(a[1], b[1]) / height,
      ],
    });
  };
  const far = (a, b) => Math.abs(a[0] - b[0]) >= LEAST && Math.abs(a[1] - b[1]) >= LEAST;

  sheet.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
    dragging = true;
    const here = spot(event);
    if (start && far(start, here)) return; // the second click of two: the release ends it
    start = here;
    draw(here, here);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (start) draw(start, spot(event));
  });
  sheet.addEventListener("pointerup", (event) => {
    if (!dragging || !start) return;
    dragging = false;
    const here = spot(event);
    if (far(start, here)) finish(start, here);
  });
  const escape = (event) => {
    if (event.key === "Escape" && model.get("active")) stop();
  };
  document.addEventListener("keydown", escape);

  // Leaflet looks at the size of its map only when that of the window changes; panels beside it come and go.
  const watch = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
  watch.observe(sheet);

  const show = () => {
    const on = model.get("active");
    el.classList.toggle("dv-active", on);
    if (!on) clear();
  };
  model.on("change:active", show);
  show();
  return () => {
    watch.disconnect();
    document.removeEventListener("keydown", escape);
  };
}
export default { render };
