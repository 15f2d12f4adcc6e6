// A table of any length: a tall empty sheet to scroll, and the few rows in view upon it. Text by textContent alone.
const ROW = 24; // pixels
const PAGE = 100; // rows asked at a time
const KEPT = 40; // pages remembered
const TALLEST = 12_000_000; // pixels: browsers lay out no taller sheet, so longer tables are scrolled in larger steps
const SPARE = 8; // rows drawn above and below the view

const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

function render({ model, el }) {
  el.classList.add("dv-result-table");
  const scroller = document.createElement("div");
  scroller.className = "dv-table-scroll";
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "grid");
  scroller.setAttribute("aria-label", "Rows of the result");
  scroller.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys for its cells
  const sheet = document.createElement("div");
  sheet.className = "dv-table-sheet";
  const head = document.createElement("div");
  head.className = "dv-table-row dv-table-head";
  head.setAttribute("role", "row");
  const body = document.createElement("div");
  body.className = "dv-table-body";
  body.setAttribute("role", "rowgroup");
  sheet.append(head, body);
  scroller.append(sheet);
  const note = document.createElement("div");
  note.className = "dv-table-note";
  el.append(scroller, note);

  let columns = [];
  let count = 0;
  let version = 0;
  let top = 0; // the first row in view, with its fraction
  let pages = new Map();
  let asked = -1; // the page on its way; one at a time, then whatever is in view by then
  let drawn = null;
  let steering = false; // we move the scroll bar, not the reader

  const tall = () => count * ROW;
  const span = () => Math.min(tall(), TALLEST);
  const room = () => Math.max(ROW, scroller.clientHeight - head.offsetHeight);
  const last = () => Math.max(0, count - room() / ROW);
  const scaled = () => tall() > TALLEST;

  const ask = () => {
    if (asked >= 0) return;
    const first = Math.floor(top / PAGE);
    const end = Math.floor(Math.max(top, Math.min(count - 1, top + room() / ROW)) / PAGE);
    for (let page = first; page <= end; page++) {
      if (pages.has(page)) continue;
      asked = page;
      model.send({ rows: [version, page * PAGE, Math.min(count, (page + 1) * PAGE)] });
      return;
    }
  };
  const cell = (text, column) => {
    const box = document.createElement("div");
    box.className = column.right ? "dv-cell dv-right" : "dv-cell";
    box.setAttribute("role", "gridcell");
    if (text === null) {
      box.classList.add("dv-null");
      box.textContent = "NULL";
    } else if (text !== undefined) {
      box.textContent = text;
      if (text.length > column.width) box.title = text;
    }
    return box;
  };
  const line = (number) => {
    const row = document.createElement("div");
    row.className = number % 2 ? "dv-table-row dv-odd" : "dv-table-row";
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", String(number + 2));
    const own = document.createElement("div");
    own.className = "dv-cell dv-right dv-row-number";
    own.textContent = thousands(number + 1);
    const page = pages.get(Math.floor(number / PAGE));
    const values = page ? page[number % PAGE] : [];
    row.append(own, ...columns.map((column, i) => cell(values[i], column)));
    return row;
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(top) - SPARE);
    const end = Math.min(count, Math.ceil(top + room() / ROW) + SPARE);
    const needed = `${version} ${first} ${end} ${[...pages.keys()].filter((p) => p * PAGE < end && (p + 1) * PAGE > first)}`;
    if (needed !== drawn) {
      const rows = [];
      for (let number = first; number < end; number++) rows.push(line(number));
      body.replaceChildren(...rows);
      drawn = needed;
    }
    body.style.transform = `translateY(${scroller.scrollTop - (top - first) * ROW}px)`;
    ask();
  };
  const go = (row) => {
    top = Math.min(Math.max(0, row), last());
    const reach = Math.max(1, span() - room());
    steering = true;
    scroller.scrollTop = scaled() ? (top / Math.max(last(), 1e-9)) * reach : top * ROW;
    requestAnimationFrame(() => (steering = false));
    draw();
  };
  scroller.addEventListener("scroll", () => {
    if (!steering) {
      const reach = Math.max(1, span() - room());
      top = scaled() ? Math.min(1, scroller.scrollTop / reach) * last() : scroller.scrollTop / ROW;
      top = Math.min(top, last());
    }
    draw();
  });
  scroller.addEventListener(
    "wheel",
    (event) => {
      if (!scaled() || !event.deltaY || event.ctrlKey) return;
      event.preventDefault();
      go(top + event.deltaY / ROW);
    },
    { passive: false },
  );
  scroller.addEventListener("keydown", (event) => {
    const by = Math.floor(room() / ROW) - 1;
    const to = {
      ArrowDown: top + 1,
      ArrowUp: top - 1,
      PageDown: top + by,
      PageUp: top - by,
      Home: 0,
      End: last(),
    }[event.key];
    if (to === undefined || event.target !== scroller) return;
    event.preventDefault();
    event.stopPropagation();
    go(to);
  });

  const entitle = () => {
    const [by, descending] = model.get("order");
    const corner = document.createElement("div");
    corner.className = "dv-cell dv-row-number";
    corner.setAttribute("role", "columnheader");
    head.replaceChildren(
      corner,
      ...columns.map((column, i) => {
        const box = document.createElement("div");
        box.className = "dv-cell";
        box.setAttribute("role", "columnheader");
        box.setAttribute("aria-sort", i !== by ? "none" : descending ? "descending" : "ascending");
        const button = document.createElement("button");
        button.type = "button";
        button.className = column.right ? "dv-column dv-right" : "dv-column";
        button.title = `${column.name}: ${column.type}. Put the rows in its order: the query is asked again`;
        const name = document.createElement("span");
        name.className = "dv-column-name";
        name.textContent = column.name;
        const kind = document.createElement("span");
        kind.className = "dv-column-type";
        kind.textContent = i !== by ? column.type : `${column.type} ${descending ? "▼" : "▲"}`;
        button.append(name, kind);
        button.addEventListener("click", () => model.send({ sort: i }));
        box.append(button);
        return box;
      }),
    );
  };
  const load = () => {
    columns = model.get("columns");
    count = model.get("count");
    version = model.get("version");
    pages = new Map();
    asked = -1;
    drawn = null;
    const digits = Math.max(3, thousands(count).length);
    const template = [`calc(${digits}ch + 22px)`, ...columns.map((c) => `calc(${c.width}ch + 20px)`)].join(" ");
    el.style.setProperty("--dv-columns", template);
    scroller.setAttribute("aria-rowcount", String(count + 1));
    el.classList.toggle("dv-no-columns", !columns.length);
    entitle();
    sheet.style.height = `${span() + head.offsetHeight}px`;
    scroller.scrollLeft = 0;
    go(0);
  };
  const heard = (content) => {
    if (content.version !== version) return;
    const page = content.start / PAGE;
    pages.delete(page);
    pages.set(page, content.rows);
    if (pages.size > KEPT) pages.delete(pages.keys().next().value);
    asked = -1;
    draw();
  };
  const tell = () => {
    note.textContent = model.get("note");
    el.classList.toggle("dv-has-note", Boolean(model.get("note")));
    el.classList.toggle("dv-no-columns", !model.get("columns").length);
  };
  model.on("msg:custom", heard);
  model.on("change:version", load);
  model.on("change:note", tell);
  const watch = new ResizeObserver(() => {
    if (el.offsetParent === null) return;
    sheet.style.height = `${span() + head.offsetHeight}px`;
    go(top);
  });
  watch.observe(scroller);
  load();
  tell();
  return () => {
    watch.disconnect();
    model.off("msg:custom", heard);
  };
}
export default { render };
