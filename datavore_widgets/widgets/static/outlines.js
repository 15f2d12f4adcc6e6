// Gives a layer of Leaflet its lines, on every copy of the world: they are sent once, as small integers.
const TRIES = 200;
const WORLDS = [-360, 0, 360]; // side by side, so that panning over the antimeridian meets a coast

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

async function initialize({ model }) {
  const points = model.get("points"); // int16: latitude, longitude
  const lengths = model.get("lengths"); // int32: points of each line
  const groups = model.get("groups"); // int32: lines of each polygon; none where lines are no rings
  const per = model.get("per_degree");
  const layer = await modelOf(model.widget_manager, model.get("layer"));

  const world = (turn) => {
    let at = 0;
    const line = (_, n) =>
      Array.from({ length: lengths.getInt32(4 * n, true) }, () => {
        const place = [points.getInt16(at, true) / per, (points.getInt16(at + 2, true) + turn * per) / per];
        at += 4;
        return place;
      });
    const lines = Array.from({ length: lengths.byteLength / 4 }, line);
    if (!groups.byteLength) return lines;
    return Array.from({ length: groups.byteLength / 4 }, (_, n) => lines.splice(0, groups.getInt32(4 * n, true)));
  };
  layer.set("locations", WORLDS.flatMap(world)); // never saved: the kernel knows them
}
export default { initialize };
