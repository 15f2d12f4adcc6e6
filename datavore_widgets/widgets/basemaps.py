"""What may lie below the picture. Only the one that is chosen is ever fetched."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BASEMAPS", "Basemap"]


@dataclass(frozen=True)
class Basemap:
    """A tile layer of the web.

    `attribution` is HTML of our own, never of a data set.
    """

    label: str
    url: str = ""
    attribution: str = ""
    max_native_zoom: int = 18


# None of these wants a key.
BASEMAPS = {
    "coast": Basemap("Coastline (offline)"),
    "ocean": Basemap(
        "Ocean (Esri)",
        "https://server.arcgisonline.com/ArcGIS/rest/services/Ocean/World_Ocean_Base/MapServer/tile/{z}/{y}/{x}",
        "Tiles &copy; Esri, GEBCO, NOAA, National Geographic and others",
        13,
    ),
    "streets": Basemap(
        "OpenStreetMap",
        "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        '&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors',
        19,
    ),
    "relief": Basemap(
        "Relief (NASA GIBS)",
        "https://gibs.earthdata.nasa.gov/wmts/epsg3857/best/BlueMarble_ShadedRelief_Bathymetry/default/"
        "GoogleMapsCompatible_Level8/{z}/{y}/{x}.jpeg",
        "Imagery by NASA EOSDIS GIBS",
        8,
    ),
}
"""By name; `coast`, the default, needs no network."""
