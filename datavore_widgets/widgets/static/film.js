// Keeps pictures and shows one of them on a Leaflet layer. A picture is decoded before it is shown, so nothing blinks.
const TRIES = 200;

// The model of another widget; it may be on its way from the kernel still.
async function modelOf(manager, id) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await manager.get_model(id);
    } catch (error) {
      if (!left) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// The address of a picture without the page that it was made on: a notebook that is saved with its widgets keeps it.
function lasting(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

async function initialize({ model }) {
  const frames = new Map(); // place → picture, of one shot
  let shot = 0;
  let newest = 0; // number of the picture that the kernel had shown last
  let shown = null;
  let wanted = null; // the place that the hand is at
  let open = true;
  const layer = await modelOf(model.widget_manager, model.get("layer"));
  const state = layer.get_state; // asked for when the notebook is saved, and never else
  layer.get_state = (...how) => {
    const told = state.apply(layer, how);
    return shown ? { ...told, url: lasting(shown.image), bounds: shown.bounds } : told;
  };

  const letGo = (frame) => {
    frame.kept = false;
    if (frame !== shown) URL.revokeObjectURL(frame.url);
  };
  const put = (frame) => {
    if (frame === shown) return;
    const before = shown;
    shown = frame;
    layer.set({ url: frame.url, bounds: frame.bounds }); // never told to the kernel, which knows what it has sent
    if (before && !before.kept) URL.revokeObjectURL(before.url);
  };
  const develop = async (bytes, bounds) => {
    const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    const image = new Image();
    image.src = url;
    await image.decode();
    return { url, bounds, image, kept: true }; // as long as the image is held, the layer's own need not be decoded
  };

  const tell = (what) => {
    try {
      model.send(what);
    } catch {
      open = false; // the page is being left, and its kernel is not there any more
    }
  };

  const take = async (said, buffers) => {
    if (said.shot > shot) {
      shot = said.shot;
      for (const frame of frames.values()) letGo(frame);
      frames.clear();
    }
    for (const place of said.drop || []) {
      const frame = frames.get(place);
      frames.delete(place);
      if (frame) letGo(frame);
    }
    if (buffers.length) {
      const frame = await develop(buffers[0], said.bounds);
      if (!open || said.shot !== shot) return letGo(frame);
      const before = frames.get(said.place);
      frames.set(said.place, frame);
      if (before) letGo(before);
    }
    const frame = frames.get(said.place);
    if (!frame || said.shot !== shot) return;
    if (wanted && wanted.place === said.place) {
      newest = Math.max(newest, said.number);
      put(frame);
    } else if (said.show && said.number > newest && (!wanted || (buffers.length && !frames.has(wanted.place)))) {
      // What the hand is at is not here yet: what comes new meanwhile is shown, the newer after the older. What was here
      // already is what the hand has left.
      newest = said.number;
      put(frame);
    }
  };
  model.on("msg:custom", async (said, buffers) => {
    try {
      await take(said, buffers || []);
    } finally {
      if (open) tell({ seen: said.number });
    }
  });
  // The bar of dates, which lives in the same page, asks without a way round through the kernel.
  model.on("dv:want", (wish) => {
    wanted = wish;
    const frame = frames.get(wish.place);
    wish.shown = frame !== undefined;
    if (frame) put(frame);
  });
  tell({ hello: true });
  return () => {
    open = false;
    layer.get_state = state;
    for (const frame of frames.values()) letGo(frame);
    frames.clear();
  };
}
export default { initialize };
