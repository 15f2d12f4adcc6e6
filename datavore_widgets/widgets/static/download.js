// A button that asks the kernel for a file and saves it.
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
  const save = (content, buffers) => {
    if (content.problem) return say("Not saved");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]], { type: "application/octet-stream" }));
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
