// Voila waits for each of its extensions before it begins. This one is there when all of the page is; meanwhile it has
// the others run those of their scripts that the explorer needs, for which they would wait until a widget asks.
{
  const whole = new Promise((done) => {
    if (document.readyState === "complete") done();
    else window.addEventListener("load", done, { once: true });
  });
  const WIDGETS = ["jupyter-leaflet", "bqscales", "bqplot"];
  // Who is registered last provides: text is shown as it is, dollar signs too, and MathJax is neither fetched nor run.
  const plainText = async (versions) => {
    const rendermime = (await Object.values(versions ?? {})[0]?.get())?.();
    const plugin = { id: "datavore-page:plain-text", provides: rendermime?.ILatexTypesetter };
    return rendermime ? [{ ...plugin, autoStart: true, activate: () => ({ typeset() {} }) }] : [];
  };
  let shared = {};
  (window._JUPYTERLAB ??= {})["datavore-page"] = {
    init(scope) {
      shared = scope;
    },
    async get() {
      const makers = WIDGETS.map((name) => window._JUPYTERLAB[name]?.get("./index"));
      makers.push(Object.values(shared["@jupyter-widgets/controls"] ?? {})[0]?.get());
      // What fails here is tried again, and told, when it is asked for.
      for (const maker of makers) Promise.resolve(maker).then((make) => make?.()).catch(() => {});
      const plain = await plainText(shared["@jupyterlab/rendermime"]);
      await whole;
      return () => plain;
    },
  };
}
