// An editor of HiveQL: a plain text area over its own coloured copy, and the tables beside it.
const TOKEN =
  /(?<comment>--[^\n]*|\/\*[^]*?(?:\*\/|$))|(?<string>'(?:[^'\\]|\\[^])*'?|"(?:[^"\\]|\\[^])*"?)|(?<quoted>`[^`]*`?)|(?<parameter>\$\w+)|(?<number>\b\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\b)|(?<word>[A-Za-z_]\w*)/g;
const MOST = 9; // completions shown
const PAUSE = 250; // ms after the last key until the kernel is told
const LONGEST = 100_000; // characters

let serial = 0;

function tag(name, kind, text = "") {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = text;
  return made;
}

function render({ model, el }) {
  el.classList.add("dv-query-editor");
  const id = `dv-query-${++serial}`;

  // The tables
  const side = tag("nav", "dv-tables");
  side.setAttribute("aria-label", "Tables and columns");

  // The text
  const page = tag("div", "dv-query-page");
  const gutter = tag("pre", "dv-query-gutter");
  gutter.setAttribute("aria-hidden", "true");
  const stage = tag("div", "dv-query-stage");
  const copy = tag("pre", "dv-query-copy");
  copy.setAttribute("aria-hidden", "true");
  const area = tag("textarea", "dv-query-text");
  area.maxLength = LONGEST;
  area.spellcheck = false;
  area.wrap = "off";
  area.autocapitalize = "off";
  area.autocomplete = "off";
  area.setAttribute("autocorrect", "off");
  area.setAttribute("aria-label", "Query in HiveQL. Ctrl-Enter runs it; Escape, then Tab leaves");
  area.placeholder = "SELECT …";
  area.dataset.lmSuppressShortcuts = "true"; // Ctrl-Enter and the like are ours, not JupyterLab's
  stage.append(copy, area);
  page.append(gutter, stage);
  el.append(side, page);

  const list = tag("div", "dv-completions");
  list.id = id;
  list.popover = "manual"; // the browser's top layer: no panel clips it
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  el.append(list);
  area.setAttribute("aria-controls", id);

  let keywords = new Set();
  let functions = new Set();
  let known = []; // {word, kind, detail}
  let timer = 0;
  let told = null; // the text that the kernel has, or has on its way
  let spoken = 0; // the number of what was told last
  let free = false; // after Escape, Tab leaves the editor

  const put = (text, from = area.selectionStart, to = area.selectionEnd) => {
    area.focus();
    area.setSelectionRange(from, to);
    // The one way that keeps the browser's undo.
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, from, to, "end");
      changed();
    }
  };

  // Colours
  const paint = () => {
    const text = area.value;
    const [from, to] = model.get("error").length && told === text ? model.get("error") : [-1, -1];
    const pieces = [];
    const push = (start, end, kind) => {
      const cuts = [start, ...[from, to].filter((cut) => cut > start && cut < end), end];
      for (let i = 0; i + 1 < cuts.length; i++) {
        const wrong = cuts[i] >= from && cuts[i + 1] <= to;
        const part = text.slice(cuts[i], cuts[i + 1]);
        if (!part) continue;
        if (!kind && !wrong) pieces.push(document.createTextNode(part));
        else pieces.push(tag("span", `${kind ? `dv-q-${kind}` : ""}${wrong ? " dv-q-wrong" : ""}`.trim(), part));
      }
    };
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
      let kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
      if (kind === "word") {
        const upper = match[0].toUpperCase();
        const called = /^\s*\(/.test(text.slice(match.index + match[0].length, match.index + match[0].length + 8));
        kind = keywords.has(upper) ? "keyword" : functions.has(match[0].toLowerCase()) && called ? "function" : "";
      }
      push(end, match.index, "");
      push(match.index, match.index + match[0].length, kind);
      end = match.index + match[0].length;
    }
    push(end, text.length, "");
    const beyond = from >= text.length && from >= 0 && told === text;
    copy.replaceChildren(...pieces, beyond ? tag("span", "dv-q-wrong", " \n") : document.createTextNode("\n"));
    const lines = text.split("\n").length;
    const wrongLine = from >= 0 ? text.slice(0, from).split("\n").length : 0;
    gutter.replaceChildren(
      ...Array.from({ length: lines }, (_, i) => tag("span", i + 1 === wrongLine ? "dv-wrong-line" : "", `${i + 1}\n`)),
    );
    slide();
  };
  const slide = () => {
    copy.style.transform = `translate(${-area.scrollLeft}px, ${-area.scrollTop}px)`;
    gutter.style.transform = `translateY(${-area.scrollTop}px)`;
  };

  // The kernel. It is told by messages: a change of the state may wait for the one before it, and would then come after
  // what was done since. Numbers tell its answer to the last of them from those to earlier ones.
  const tell = () => {
    clearTimeout(timer);
    if (told === area.value) return;
    told = area.value;
    spoken = Math.max(spoken, model.get("heard")) + 1;
    model.send({ text: told, number: spoken });
  };
  const changed = () => {
    paint();
    clearTimeout(timer);
    timer = setTimeout(tell, PAUSE);
  };

  // Completion
  let options = [];
  let active = 0;
  let chosen = false; // by an arrow key: then Enter takes it
  let start = 0;
  const close = () => {
    if (list.matches(":popover-open")) list.hidePopover();
    options = [];
    area.removeAttribute("aria-activedescendant");
  };
  const isOpen = () => options.length > 0;
  const mark = () => {
    [...list.children].forEach((item, i) => {
      item.setAttribute("aria-selected", String(i === active));
      if (i === active) item.scrollIntoView({ block: "nearest" });
    });
    area.setAttribute("aria-activedescendant", `${id}-${active}`);
  };
  const take = (i) => {
    const option = options[i];
    close();
    put(option.word, start, area.selectionStart);
    close();
  };
  const inside = (text) => {
    // Whether the place is in a literal or a comment: nothing is completed there.
    for (const match of text.matchAll(TOKEN)) {
      if ((match.groups.string || match.groups.comment) && match.index + match[0].length === text.length) {
        const whole = match.groups.string;
        return !whole || whole.length === 1 || whole.at(-1) !== whole[0];
      }
    }
    return false;
  };
  const suggest = (asked) => {
    const before = area.value.slice(0, area.selectionStart);
    const typed = /(?:\$\w*|[A-Za-z_]\w*)$/.exec(before)?.[0] ?? "";
    const qualifier = /([A-Za-z_]\w*)\.\w*$/.exec(before)?.[1];
    if ((!asked && typed.length < (typed[0] === "$" || qualifier ? 1 : 2)) || inside(before)) return close();
    const low = typed.toLowerCase();
    let from = known;
    if (qualifier) {
      const table = model.get("tables").find((t) => t.name.toLowerCase() === qualifier.toLowerCase());
      const columns = table ? new Set(table.columns.map((c) => c.name)) : null;
      from = known.filter((o) => o.kind === "column" && (!columns || columns.has(o.word)));
    }
    options = from.filter((o) => o.word.toLowerCase().startsWith(low) && o.word.toLowerCase() !== low).slice(0, MOST);
    if (!options.length) return close();
    start = area.selectionStart - typed.length;
    active = 0;
    chosen = false;
    const upper = typed.length > 0 && typed === typed.toUpperCase();
    options = options.map((o) =>
      o.kind === "keyword" && !upper && typed ? { ...o, word: o.word.toLowerCase() } : o,
    );
    list.replaceChildren(
      ...options.map((option, i) => {
        const item = tag("div", "dv-completion");
        item.id = `${id}-${i}`;
        item.setAttribute("role", "option");
        item.append(tag("span", `dv-completion-word dv-q-${option.kind}`, option.word), tag("span", "dv-completion-detail", option.detail));
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(i);
        });
        return item;
      }),
    );
    if (!list.matches(":popover-open")) list.showPopover();
    const box = area.getBoundingClientRect();
    const style = getComputedStyle(area);
    const line = Number.parseFloat(style.lineHeight);
    const column = start - (before.lastIndexOf("\n") + 1);
    const row = before.split("\n").length;
    const x = box.left + Number.parseFloat(style.paddingLeft) + column * letter() - area.scrollLeft;
    const y = box.top + Number.parseFloat(style.paddingTop) + row * line - area.scrollTop;
    const size = list.getBoundingClientRect();
    list.style.left = `${Math.max(4, Math.min(x, window.innerWidth - size.width - 4))}px`;
    list.style.top = `${y + size.height + 4 > window.innerHeight ? y - line - size.height - 2 : y + 2}px`;
    mark();
  };
  const letter = () => {
    const ruler = tag("span", "dv-query-ruler", "0".repeat(50));
    stage.append(ruler);
    const width = ruler.getBoundingClientRect().width / 50;
    ruler.remove();
    return width;
  };

  // Keys
  area.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      close();
      tell();
      model.send("run");
      return;
    }
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      suggest(true);
      return;
    }
    if (isOpen()) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        active = (active + (event.key === "ArrowDown" ? (chosen ? 1 : 0) : options.length - 1)) % options.length;
        if (!chosen && event.key === "ArrowDown") active = options.length > 1 ? 1 : 0;
        chosen = true;
        mark();
        return;
      }
      if (event.key === "Tab" || (event.key === "Enter" && chosen)) {
        event.preventDefault();
        take(active);
        return;
      }
      if (event.key === "Escape") {
        event.preventDefault();
        close();
        return;
      }
    }
    if (event.key === "Escape") {
      free = true;
      return;
    }
    if (event.key === "Tab" && !free) {
      event.preventDefault();
      indent(event.shiftKey);
    } else if (event.key === "Enter" && !event.shiftKey) {
      const before = area.value.slice(0, area.selectionStart);
      const lead = /(?:^|\n)([ \t]*)[^\n]*$/.exec(before)?.[1] ?? "";
      if (lead) {
        event.preventDefault();
        put(`\n${lead}`);
      }
    }
    if (event.key !== "Shift") free = false;
  });
  const indent = (back) => {
    const [from, to] = [area.selectionStart, area.selectionEnd];
    if (from === to && !back) return put("  ");
    const first = area.value.lastIndexOf("\n", from - 1) + 1;
    const block = area.value.slice(first, to);
    const moved = back ? block.replace(/^ {1,2}/gm, "") : block.replace(/^/gm, "  ");
    put(moved, first, to);
    area.setSelectionRange(first, first + moved.length);
  };
  let erased = false;
  area.addEventListener("beforeinput", (event) => (erased = !event.inputType.startsWith("insertText")));
  area.addEventListener("input", () => {
    changed();
    if (erased) close();
    else suggest(false);
  });
  area.addEventListener("scroll", () => {
    slide();
    close();
  });
  area.addEventListener("blur", () => {
    close();
    tell();
    free = false;
  });
  area.addEventListener("click", close);

  // What there is to name
  const name = (word, detail, kind, insert = word) => {
    const item = tag("button", `dv-name-button dv-name-${kind}`);
    item.type = "button";
    item.title = `Put ${word} into the query`;
    item.append(tag("span", "dv-name-word", word), tag("span", "dv-name-detail", detail));
    item.addEventListener("click", () => {
      const before = area.value.slice(0, area.selectionStart);
      put(/[\w`$]$/.test(before) ? ` ${insert}` : insert);
    });
    return item;
  };
  const plain = (word) => (/^[A-Za-z_]\w*$/.test(word) && !keywords.has(word.toUpperCase()) ? word : `\`${word.replaceAll("`", "``")}\``);
  const group = (title, detail, items, open, insert) => {
    const box = tag("details", "dv-table-group");
    box.open = open;
    const head = tag("summary", "dv-table-name");
    head.append(tag("span", "dv-name-word", title), tag("span", "dv-name-detail", detail));
    if (insert) {
      const add = tag("button", "dv-table-insert", "+");
      add.type = "button";
      add.title = `Put ${title} into the query`;
      add.setAttribute("aria-label", add.title);
      add.addEventListener("click", (event) => {
        event.preventDefault();
        const before = area.value.slice(0, area.selectionStart);
        put(/[\w`$]$/.test(before) ? ` ${insert}` : insert);
      });
      head.append(add);
    }
    box.append(head, ...items);
    return box;
  };
  const load = () => {
    const words = model.get("words");
    keywords = new Set(words.keyword);
    functions = new Set(words.function);
    const tables = model.get("tables");
    const columns = new Map();
    for (const table of tables) for (const c of table.columns) if (!columns.has(c.name)) columns.set(c.name, c.type);
    known = [
      ...[...columns].map(([word, detail]) => ({ word, kind: "column", detail })),
      ...tables.map((table) => ({ word: table.name, kind: "table", detail: "table" })),
      ...words.keyword.map((word) => ({ word, kind: "keyword", detail: "" })),
      ...words.function.map((word) => ({ word, kind: "function", detail: "( )" })),
      ...Object.entries(words.parameter).map(([word, detail]) => ({ word: `$${word}`, kind: "parameter", detail })),
    ];
    const note = model.get("note");
    side.replaceChildren(
      ...(note ? [tag("div", "dv-tables-note", note)] : []),
      ...tables.map((table, i) =>
        group(
          table.name,
          "",
          table.columns.map((c) => name(c.name, c.type, "column", plain(c.name))),
          i === 0 && tables.length <= 12,
          plain(table.name),
        ),
      ),
      group(
        "from the view",
        "",
        Object.entries(words.parameter).map(([word, detail]) => {
          const item = name(`$${word}`, "", "parameter");
          item.title = detail;
          return item;
        }),
        tables.length <= 3,
      ),
    );
    paint();
  };
  const receive = () => {
    const text = model.get("text");
    if ((text === told && told !== null) || model.get("heard") < spoken) return;
    told = text;
    if (area.value !== text) area.value = text;
    paint();
  };
  // What the kernel writes, also where it has not heard of all that was typed; it is told, after all that.
  const write = ({ text }) => {
    if (typeof text !== "string") return;
    area.value = text;
    paint();
    told = null;
    tell();
  };
  model.on("change:text change:heard", receive);
  model.on("msg:custom", write);
  model.on("change:tables change:words change:note", load);
  model.on("change:error", () => {
    paint();
    const [from] = model.get("error");
    if (from !== undefined && told === area.value) {
      const line = Number.parseFloat(getComputedStyle(area).lineHeight);
      const row = area.value.slice(0, from).split("\n").length - 1;
      if (row * line < area.scrollTop || (row + 2) * line > area.scrollTop + area.clientHeight) {
        area.scrollTop = Math.max(0, row * line - area.clientHeight / 2);
      }
    }
  });
  receive();
  load();
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", write);
    model.off("change:text change:heard", receive);
  };
}
export default { render };
