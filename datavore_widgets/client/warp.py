"""Plate carrée to Web-Mercator, for servers that draw only the first."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.protocol.answers import MapImage
from datavore_widgets.protocol.geometry import latitude_from_mercator, mercator_from_latitude

__all__ = ["warp_to_mercator"]

_LONGEST_SIDE = 4096


def warp_to_mercator(picture: MapImage, resolution: int | None = None) -> MapImage:
    """The same picture with its rows at equal Web-Mercator northings, and its pixels square.

    Each new pixel is the old one that holds its centre: colours are copied, never mixed.

    Parameters
    ----------
    picture : MapImage
        In plate carrée; one in Web-Mercator is given back as it is.
    resolution : int, optional
        Pixels of the longer side; by default as many columns as there were.
    """
    if picture.projection == "mercator":
        return picture
    box = picture.bbox.clip_to_mercator()
    south, north = (float(y) for y in mercator_from_latitude([box.south, box.north]))
    across, up = math.radians(box.width), north - south
    scale = picture.width / across if resolution is None else resolution / max(across, up)
    scale = min(scale, _LONGEST_SIDE / max(across, up))
    width, height = max(1, round(across * scale)), max(1, round(up * scale))

    latitudes = latitude_from_mercator(north - (np.arange(height) + 0.5) * up / height)
    rows = _pixels((picture.bbox.north - latitudes) / picture.bbox.height, picture.height)
    columns = _pixels((np.arange(width) + 0.5) / width, picture.width)
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = np.asarray(image.convert("RGBA"))[rows[:, None], columns]
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return replace(picture, png=out.getvalue(), bbox=box, projection="mercator", width=width, height=height)


def _pixels(places: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The pixels that hold places from 0 to 1."""
    return np.clip((places * count).astype(np.int64), 0, count - 1)
