// Swatches of colour maps: a button with the one in use, and a list to choose from. Names are set by textContent.
const colors = (hex) => {
  const out = [];
  for (let i = 0; i + 6 <= hex.length; i += 6) out.push(`#${hex.slice(i, i + 6)}`);
  return out;
};
const TITLES = {
  sequential: "Sequential: low to high",
  diverging: "Diverging: about a middle",
  cyclic: "Cyclic: directions, phases",
  rainbow: "Rainbow: uneven to the eye",
  qualitative: "Qualitative: classes",
  advised: "Suits this variable",
};

let serial = 0;

function render({ model, el }) {
  el.classList.add("dv-swatches");
  const id = `dv-cmaps-${++serial}`;

  const paint = (target, name) => {
    const reversed = name.endsWith("_r");
    const table = colors(model.get("tables")[reversed ? name.slice(0, -2) : name] || "");
    if (reversed) table.reverse();
    target.style.background = table.length ? `linear-gradient(to right, ${table.join(", ")})` : "none";
  };

  const button = document.createElement("button");
  button.type = "button";
  button.className = "dv-swatch-button";
  button.title = "Choose the colours";
  button.setAttribute("aria-haspopup", "listbox");
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", id);
  const strip = document.createElement("span");
  strip.className = "dv-swatch";
  const word = document.createElement("span");
  word.className = "dv-swatch-name";
  button.append(strip, word);

  const reverse = document.createElement("button");
  reverse.type = "button";
  reverse.className = "dv-reverse";
  reverse.title = "Reverse the colours";
  reverse.setAttribute("aria-label", reverse.title);
  reverse.textContent = "⇄";

  const list = document.createElement("div");
  list.id = id;
  list.className = "dv-swatch-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Colour map");
  list.tabIndex = -1;
  list.popover = "auto"; // the browser's top layer: no panel clips it, Escape and a click elsewhere close it

  const label = document.createElement("span");
  label.className = "dv-label";
  label.textContent = "Colours";
  el.append(label, button, reverse, list);

  // JupyterLab would take arrow keys and letters for its cells; it looks at the focused element alone.
  for (const control of [button, list]) control.dataset.lmSuppressShortcuts = "true";

  let options = [];
  let active = -1;
  let typed = "";
  let typedAt = 0;
  const plain = () => model.get("chosen").replace(/_r$/, "");

  const option = (name) => {
    const item = document.createElement("div");
    item.className = "dv-swatch-option";
    item.setAttribute("role", "option");
    item.id = `${id}-${options.length}`;
    item.dataset.name = name;
    const bar = document.createElement("span");
    bar.className = "dv-swatch";
    paint(bar, name);
    const text = document.createElement("span");
    text.className = "dv-swatch-name";
    text.textContent = name;
    item.append(bar, text);
    item.addEventListener("click", () => choose(name));
    options.push(item);
    return item;
  };
  const fill = () => {
    options = [];
    list.replaceChildren();
    const advice = model.get("advice").replace(/_r$/, "");
    const groups = advice ? { advised: [advice], ...model.get("groups") } : model.get("groups");
    for (const [group, names] of Object.entries(groups)) {
      const box = document.createElement("div");
      box.setAttribute("role", "group");
      const head = document.createElement("div");
      head.className = "dv-swatch-group";
      head.id = `${id}-${group}`;
      head.textContent = TITLES[group] || group;
      box.setAttribute("aria-labelledby", head.id);
      box.append(head, ...names.map(option));
      list.append(box);
    }
  };
  const focus = (i) => {
    if (!options.length) return;
    active = Math.min(Math.max(i, 0), options.length - 1);
    options.forEach((item, j) => item.classList.toggle("dv-focused", j === active));
    list.setAttribute("aria-activedescendant", options[active].id);
    options[active].scrollIntoView({ block: "nearest" });
  };
  const show = () => {
    const name = model.get("chosen");
    paint(strip, name);
    word.textContent = name;
    button.setAttribute("aria-label", `Colours: ${name}`);
    for (const item of options) item.setAttribute("aria-selected", String(item.dataset.name === plain()));
  };
  const choose = (name) => {
    const reversed = model.get("chosen").endsWith("_r");
    model.set("chosen", reversed ? `${name}_r` : name);
    model.save_changes();
    list.hidePopover();
    button.focus();
  };
  const open = () => {
    fill();
    show();
    list.showPopover();
    const area = button.getBoundingClientRect();
    const room = window.innerHeight - area.bottom - 12;
    const height = Math.min(420, Math.max(room, area.top - 12));
    list.style.maxHeight = `${height}px`;
    list.style.width = `${Math.max(area.width, 240)}px`;
    list.style.left = `${area.left}px`;
    list.style.top = room >= height ? `${area.bottom + 4}px` : `${area.top - 4 - Math.min(height, list.scrollHeight)}px`;
    list.focus();
    focus(options.findIndex((item) => item.dataset.name === plain()));
  };

  button.addEventListener("click", () => (list.matches(":popover-open") ? list.hidePopover() : open()));
  button.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      open();
    }
  });
  reverse.addEventListener("click", () => {
    const name = model.get("chosen");
    model.set("chosen", name.endsWith("_r") ? name.slice(0, -2) : `${name}_r`);
    model.save_changes();
  });
  list.addEventListener("toggle", (event) => {
    button.setAttribute("aria-expanded", String(event.newState === "open"));
  });
  list.addEventListener("keydown", (event) => {
    const to = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + 8,
      PageUp: active - 8,
      Home: 0,
      End: options.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      focus(to);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (options[active]) choose(options[active].dataset.name);
    } else if (event.key === "Tab") {
      list.hidePopover();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
      typed = event.timeStamp - typedAt < 800 ? typed + event.key : event.key;
      typedAt = event.timeStamp;
      const hit = options.findIndex((item) => item.dataset.name.toLowerCase().startsWith(typed.toLowerCase()));
      if (hit >= 0) focus(hit);
    }
  });
  model.on("change:chosen", show);
  fill();
  show();
}
export default { render };
