"""Plate carrée to Web-Mercator, for services that know only the first."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
from PIL import Image

from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.geometry import latitude_from_mercator, mercator_from_latitude

__all__ = ["to_mercator"]

_MOST_ROWS = 4096


def to_mercator(picture: MapImage) -> MapImage:
    """The picture with its rows at equal Web-Mercator northings; one that is so already is given back as it is.

    Leaflet stretches a picture linearly in y, so rows at equal latitudes would lie up to 83 pixels wrong at 60
    degrees on a map of the world. Columns are the same in both projections. Each new row is the old one that holds
    its centre: colours are copied, never mixed.
    """
    if picture.projection == "mercator":
        return picture
    box = picture.bbox.clip_to_mercator()
    south, north = (float(y) for y in mercator_from_latitude([box.south, box.north]))
    columns = picture.width
    # As many rows as make the new pixels square, and no fewer than there were.
    square = columns * (north - south) / math.radians(box.width)
    rows = int(min(_MOST_ROWS, max(picture.height, round(square), 1)))
    centres = latitude_from_mercator(north - (np.arange(rows) + 0.5) * (north - south) / rows)
    step = picture.bbox.height / picture.height
    source = np.floor((picture.bbox.north - centres) / step).astype(int).clip(0, picture.height - 1)
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = np.asarray(image.convert("RGBA"))[source]
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return replace(picture, png=out.getvalue(), bbox=box, projection="mercator", height=rows)
