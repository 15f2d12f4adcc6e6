// A button that asks the kernel for a text and puts it into the clipboard.
const THANKS = 2000; // ms that the button says it is done

// Where the page is not served safely there is no clipboard but this one.
function byHand(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.style.cssText = "position: fixed; opacity: 0;";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("the browser lets nothing be copied");
}

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dv-button";
  button.setAttribute("aria-live", "polite");
  let timer = 0;
  let answered = () => {};
  const show = () => {
    button.textContent = model.get("label");
    button.title = model.get("hint");
  };
  const say = (word) => {
    button.textContent = word;
    clearTimeout(timer);
    timer = setTimeout(show, THANKS);
  };
  const whole = (text) => {
    if (!model.get("is_link")) return text;
    const theme = new URLSearchParams(location.search).get("theme");
    const look = theme ? `&theme=${encodeURIComponent(theme)}` : "";
    return `${location.origin}${location.pathname}?${text}${look}`;
  };
  button.addEventListener("click", async () => {
    const text = new Promise((resolve) => (answered = resolve));
    model.send("copy");
    try {
      if (navigator.clipboard && window.ClipboardItem) {
        // A promise: some browsers let a page write only while the press itself is handled.
        const blob = text.then((t) => new Blob([t], { type: "text/plain" }));
        await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      } else {
        byHand(await text);
      }
      say("Copied ✓");
    } catch (error) {
      button.title = String(error);
      say("Not copied");
    }
  });
  const heard = (content) => answered(whole(content.text));
  model.on("msg:custom", heard);
  model.on("change:label change:hint", show);
  show();
  el.hidden = model.get("is_link") && !("voila" in document.body.dataset);
  el.append(button);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", heard);
  };
}
export default { render };
