"""How the viewer of the wave mode says what it shows."""

from __future__ import annotations

from datavore_widgets.protocol.geometry import Point
from datavore_widgets.protocol.places import place
from datavore_widgets.protocol.swell import SwellPath
from datavore_widgets.protocol.times import Date, display, label_from_millis
from datavore_widgets.protocol.waves import WaveSpectrum
from datavore_widgets.widgets.text import escape, number, thousands

__all__ = ["date_words", "headline", "way_words"]


def date_words(date: Date) -> str:
    """A date as it is typed: `2024-01-05`, with its hours where it has some."""
    digits = date.digits
    day = "-".join(part for part in (digits[:4], digits[4:6], digits[6:8]) if part)
    clock = ":".join(part for part in (digits[8:10], digits[10:12], digits[12:14]) if part)
    return f"{day} {clock}".strip()


def headline(spectrum: WaveSpectrum) -> str:
    """Which acquisition is shown, as markup."""
    quality = "good" if spectrum.quality == 0 else f"quality flag {spectrum.quality}"
    flight = f"incidence {number(spectrum.incidence, 3)}°, flies {round(spectrum.heading) % 360:03d}°"
    facts = f"{flight} · {quality}" if spectrum.quality >= 0 else flight
    what = f"{spectrum.satellite} {spectrum.mode}".strip()
    where = place(Point(spectrum.lon, spectrum.lat))
    return (
        f"<div title='{escape(spectrum.file)}'><b>{escape(what)}</b> {escape(where)}</div>"
        f"<div class='dv-muted'>{escape(facts)}</div>"
    )


def way_words(swell: int, millis: int, back: SwellPath, on: SwellPath) -> str:
    """Where a swell came from and when it arrives, as markup.

    Parameters
    ----------
    swell : int
        Its number on the screen.
    millis : int
        When it was seen.
    """
    speed = number(on.metres[-1] / on.hours[-1] / 3600.0, 3)
    rows = [
        (_when(back, "before at", "No farther back than the coast at"), _end(millis, back)),
        (_when(on, "on at", "Meets the coast at"), _end(millis, on)),
    ]
    items = "".join(f"<li><span class='dv-muted'>{escape(word)}</span> {escape(told)}</li>" for word, told in rows)
    return f"<div role='status'><b>Swell {swell}</b> <span class='dv-muted'>at {speed} m/s</span><ul>{items}</ul></div>"


def _when(path: SwellPath, days: str, coast: str) -> str:
    return coast if path.meets_land else f"{number(abs(float(path.hours[-1])) / 24.0, 3)} days {days}"


def _end(millis: int, path: SwellPath) -> str:
    """Where and when a way ends; to the hour and a tenth of a degree, it is no better known."""
    hour = 3_600_000
    when = display(int(label_from_millis(round((millis + float(path.hours[-1]) * hour) / hour) * hour)))
    end = Point(round(path.end.lon, 1), round(path.end.lat, 1))
    return f"{place(end)}, {thousands(round(abs(float(path.metres[-1])) / 1000))} km off, about {when}"
