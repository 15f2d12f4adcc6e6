"""Level-2 OCN products of Sentinel-1's wave mode: one measurement file is one imagette with its ocean swell (OSW).

Names and dimensions are those of ESA's product specification (S1-RS-MDA-52-7441, level-2 OCN), checked against headers
of published products: one of 2014 (s-1 osw V1.0) and one of 2020. What differs between them is told by the files
themselves, or found out:

- `oswPolSpec` is in m⁴ over wavenumbers in rad/m and "degrees respect to North" (ESA's technical guide, "Ocean swell
  spectra component", and the product specification of the EOPF say the same): see `spectra`.
- Public readers disagree on the direction axis: SNAP's polar view draws `oswPhi` clockwise from north, Syntool's
  converter turns it by the heading. ESA's words decide, unless the file's own say range or azimuth. Neither says to or
  from; WASP's reader takes "going to", and so is it here (see `directions.wave_towards`).
- `oswPartitions` was a float with 255 for none, and is a byte with `_FillValue = -128` and -1 for none; ESA's converter
  to BUFR takes both for 255. The numbers need not be 0, 1, 2: products with 0, 1, 3 exist, and Syntool's converter
  takes that 3 for a 2.
- Parameters of partitions that are not there are -999, or -1 since there are quality flags; that converter takes any
  below 1 (`oswWl`, `oswDirmet`) or 0 (flags) for missing.
- `oswQualityFlag`, `oswQualityFlagPartition`: 0 is best. Sources give the words good to poor for 0 to 3 and for more
  steps, so the number is told, and no word.
- `oswWindDirection` was "degree clockwise from range"; see `directions`.
- Since IPF 002.90 (March 2018) there are cartesian cross spectra `oswCartSpecRe/Im`, 185 by 128 bins, at the lags of
  `oswLag`. Public readers (s1tools) divide `oswKx` and `oswKy` by the size of the estimation area; that is done where
  they are no rad/m.
- The sign of the imaginary part hangs on the order of the looks. No specification that could be read tells it: it is
  found out from each file's own spectrum, and told.
- Older grids have 30 wavenumbers (2π/800 … 2π/30 rad/m) and 36 directions, newer ones 60 and 72: the axes are read.
- A component that was not worked out has dimensions of size 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue, Unreadable
from datavore_widgets.protocol.times import Date, Stamp, millis_from_label
from datavore_widgets.protocol.waves import CartesianCross, WaveSpectrum
from datavore_widgets.service.decode import Packing
from datavore_widgets.service.files import FileSource, OpenFiles, Source, glance
from datavore_widgets.service.formats import format_of
from datavore_widgets.service.waves import spectra
from datavore_widgets.service.waves.directions import angle_between, range_azimuth, turned, wave_towards, wind_from
from datavore_widgets.service.waves.filenames import MEASUREMENT

__all__ = ["Row", "is_measurement", "read_row", "read_spectrum"]

Floats = NDArray[np.float64]

_MARK = "oswPolSpec"
_MOST = 1e30  # netCDF's default fill values are larger
_MOST_BINS = 1_000_000
_APART = 60.0  # seconds that a name and an attribute may disagree without a word


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of an imagette before its spectrum is read; missing numbers are NaN, missing codes -1."""

    label: int
    lon: float
    lat: float
    heading: float
    incidence: float
    hs: float
    wavelength: float
    direction: float
    wind_speed: float
    wind_from: float
    quality: int
    satellite: str
    mode: str
    partition_hs: tuple[float, ...]
    partition_wavelength: tuple[float, ...]
    partition_direction: tuple[float, ...]
    partition_quality: tuple[int, ...]


def is_measurement(variables: Mapping[str, Any]) -> bool:
    """Whether a file with these variables holds a swell spectrum of this kind, whatever its name."""
    return _MARK in variables and "oswK" in variables


def read_row(path: Path, files: OpenFiles) -> Row:
    """What the list of acquisitions tells of an imagette; the spectrum is not read.

    Raises
    ------
    Unreadable
        When it is no measurement of the wave mode, or is damaged.
    """
    if format_of(path) == "hdf5":
        # There may be a hundred thousand of them.
        with glance(path) as file:
            # Here, not at the top: who reads no HDF5 loads no h5py.
            from datavore_widgets.service.waves.stored import Attributes, StoredVariables

            return _File(str(path), StoredVariables(file, str(path)), Attributes(file)).row()
    with FileSource(path, files).contents() as contents:
        return _File(str(path), contents.variables, contents.attrs).row()


def read_spectrum(source: Source) -> WaveSpectrum:
    """All that a measurement file tells, with notes of what is absent and what is doubtful.

    Raises
    ------
    Unreadable
        When it is no measurement of the wave mode, or is damaged.
    """
    with source.contents() as contents:
        file = _File(source.name, contents.variables, contents.attrs)
        return file.spectrum()


@dataclass(frozen=True)
class _Parts:
    """The parameters of partitions, each of shape (p,)."""

    hs: Floats
    wavelength: Floats
    direction: Floats
    quality: NDArray[np.int8]
    iconf: NDArray[np.int8]
    ambiguity: Floats

    @property
    def there(self) -> NDArray[np.bool_]:
        return np.isfinite(self.hs) | np.isfinite(self.wavelength)

    def at(self, places: NDArray[np.int64]) -> _Parts:
        """Those at some places; what is at a place below 0 is missing."""

        def taken(values: NDArray[Any], missing: float) -> Any:
            found = values[np.clip(places, 0, None)] if values.size else np.full(places.size, missing, values.dtype)
            return np.where(places >= 0, found, np.array(missing, values.dtype))

        return _Parts(
            taken(self.hs, np.nan),
            taken(self.wavelength, np.nan),
            taken(self.direction, np.nan),
            taken(self.quality, -1),
            taken(self.iconf, -1),
            taken(self.ambiguity, np.nan),
        )


class _File:
    """An open measurement file."""

    def __init__(self, name: str, variables: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        self._name = PurePath(name).name
        self._variables = variables
        self._attrs = attrs
        self.notes: list[str] = []
        if not is_measurement(variables):
            raise Unreadable(f"{name!r} is no level-2 OCN measurement: it has no {_MARK} and oswK")
        shape = [self._size(dim) for dim in ("oswAzSize", "oswRaSize")]
        if max(shape) > 1:
            raise Unreadable(f"{name!r} has {shape[0]} × {shape[1]} spectra: a stripmap product, not the wave mode")
        if math.prod(self._size(dim) for dim in ("oswAngularBinSize", "oswWavenumberBinSize")) > _MOST_BINS:
            raise Unreadable(f"{name!r} tells of spectra with more than {_MOST_BINS:,} bins")
        if "synthetic" in str(attrs.get("comment", "")).lower():
            self.notes.append("synthetic data")

    # --- one value after another ------------------------------------------------------------------------------------

    def _size(self, dim: str) -> int:
        for name in (_MARK, "oswHs"):
            variable = self._variables.get(name)
            if variable is not None and dim in variable.dims:
                return int(variable.sizes[dim])
        return 1

    def _values(self, name: str, *dims: str) -> Floats | None:
        """A variable as floats over some dimensions in that order, missing as NaN; None where it is absent."""
        variable = self._variables.get(name)
        if variable is None:
            return None
        # Names are asked for where they matter: they take longer than the value of an imagette's one place.
        found = [str(dim) for dim in variable.dims] if dims or math.prod(variable.shape) != 1 else []
        if not set(dims) <= set(found) or any(
            size > 1 for dim, size in zip(found, variable.shape, strict=False) if dim not in dims
        ):
            raise Unreadable(f"{name!r} of {self._name!r} lies over {tuple(found)}, not over {dims}")
        if variable.dtype.kind not in "biuf":
            raise Unreadable(f"{name!r} of {self._name!r} holds no numbers but {variable.dtype}")
        packing = Packing.of(variable.dtype, variable.attrs, variable.encoding)
        raw = np.asarray(variable.values)
        values = np.ma.filled(np.ma.asarray(packing.decode(raw), dtype=np.float64), np.nan)
        if found:
            values = values.transpose(
                [*(found.index(dim) for dim in found if dim not in dims), *map(found.index, dims)]
            )
        values = values.reshape(values.shape[values.ndim - len(dims) :])
        return np.where((values == -999) | (np.abs(values) > _MOST), np.nan, values)

    def _number(self, name: str, *, positive: bool = False) -> float:
        values = self._values(name)
        if values is None:
            return math.nan
        value = float(values)
        return math.nan if positive and value < 0 else value

    def _code(self, name: str) -> int:
        return int(_codes(np.array([self._number(name)]))[0])

    def _attributes(self, name: str) -> Mapping[str, Any]:
        variable = self._variables.get(name)
        return {} if variable is None else variable.attrs

    def _place(self) -> tuple[float, float]:
        lon, lat = self._number("oswLon"), self._number("oswLat")
        if not (-360 <= lon <= 360 and -90 <= lat <= 90):
            raise Unreadable(f"{self._name!r} does not tell where it lies (oswLon, oswLat)")
        return float(np.mod(lon + 180.0, 360.0) - 180.0), lat

    def _label(self) -> int:
        """When it was taken: by its name, which has the imagette's own times, else by an attribute.

        `firstMeasurementTime` is the whole product's in some files.
        """
        told = None
        for name in ("firstMeasurementTime", "SOURCE_ACQUISITION_UTC_TIME"):
            try:
                told = Date.parse(str(self._attrs[name])).low
                break
            except (KeyError, InvalidValue):
                continue
        named = MEASUREMENT.fullmatch(self._name)
        if named is None:
            if told is None:
                raise Unreadable(f"neither the name of {self._name!r} nor its attributes tell when it was taken")
            return told
        label = Date(named[3].lower().replace("t", "")).low
        if told is not None:
            apart = abs(int(millis_from_label(told)) - int(millis_from_label(label))) / 1000
            # Of the same second, the attribute tells its parts.
            label = told if apart < 1 else label
            if apart > _APART:
                self.notes.append(f"its name and its attributes tell times {apart:,.0f} s apart: the name's is taken")
        return label

    def _satellite(self) -> str:
        for name in ("missionName", "MISSION_NAME"):
            told = str(self._attrs.get(name, "")).strip().upper()
            if re.fullmatch(r"S1[A-Z]", told):
                return told
        named = MEASUREMENT.fullmatch(self._name)
        if named is None:
            raise Unreadable(f"neither the name of {self._name!r} nor its attributes tell the satellite")
        return named[1].upper()

    def _mode(self, incidence: float) -> str:
        named = MEASUREMENT.fullmatch(self._name)
        if named is not None:
            return named[2].upper()
        return "WV1" if incidence < 30 else "WV2"  # 23° and 36.5° (ESA, SAR user guide)

    def _wind(self, heading: float) -> tuple[float, float]:
        speed, direction = self._number("oswWindSpeed", positive=True), self._number("oswWindDirection")
        if not math.isfinite(speed) or not math.isfinite(direction):
            return speed, math.nan
        told, note = wind_from(direction, self._attributes("oswWindDirection"), heading)
        self._tell(note)
        return speed, told

    def _tell(self, note: str) -> None:
        if note and note not in self.notes:
            self.notes.append(note)

    # --- partitions -------------------------------------------------------------------------------------------------

    def _parts(self, *, whole: bool = True) -> _Parts:
        """The parameters of partitions; those that a row does not tell are left missing where it is for one."""
        size = self._size("oswPartitions")

        def numbers(name: str, *, positive: bool) -> Floats:
            values = self._values(name, "oswPartitions")
            values = np.full(size, np.nan) if values is None else values
            return np.where(values < 0, np.nan, values) if positive else values

        hs, wavelength = numbers("oswHs", positive=True), numbers("oswWl", positive=True)
        # -1 is missing; no bin's direction is negative.
        given = numbers("oswDirmet", positive=True)
        direction, note = wave_towards(given, self._attributes("oswDirmet"))
        if np.isfinite(given).any():
            self._tell(note)
        wavelength = np.where(wavelength == 0, np.nan, wavelength)
        hs = np.where(np.isfinite(wavelength), hs, np.nan)
        return _Parts(
            hs,
            wavelength,
            np.where(np.isfinite(hs), direction, np.nan),
            _codes(numbers("oswQualityFlagPartition", positive=False)),
            _codes(numbers("oswIconf", positive=False)) if whole else np.full(size, -1, np.int8),
            numbers("oswAmbiFac", positive=False) if whole else np.full(size, np.nan),
        )

    def row(self) -> Row:
        """See `read_row`."""
        lon, lat = self._place()
        heading, incidence = self._number("oswHeading"), self._number("oswIncidenceAngle", positive=True)
        speed, origin = self._wind(heading)
        parts = self._parts(whole=False)
        places = np.flatnonzero(parts.there)
        found = parts.at(places)
        first = int(np.nanargmax(found.hs)) if np.isfinite(found.hs).any() else None
        total = self._number("oswTotalHs", positive=True)
        return Row(
            label=self._label(),
            lon=lon,
            lat=lat,
            heading=float(turned(heading)),
            incidence=incidence,
            hs=total if math.isfinite(total) else float(spectra.heights(found.hs)),
            wavelength=math.nan if first is None else float(found.wavelength[first]),
            direction=math.nan if first is None else float(found.direction[first]),
            wind_speed=speed,
            wind_from=origin,
            quality=self._code("oswQualityFlag"),
            satellite=self._satellite(),
            mode=self._mode(incidence),
            partition_hs=tuple(found.hs.tolist()),
            partition_wavelength=tuple(found.wavelength.tolist()),
            partition_direction=tuple(found.direction.tolist()),
            partition_quality=tuple(found.quality.tolist()),
        )

    # --- spectra ----------------------------------------------------------------------------------------------------

    def spectrum(self) -> WaveSpectrum:
        """See `read_spectrum`."""
        row = self.row()
        k, phi, rows, columns = self._axes()
        if k.size < 2 or phi.size < 2:
            raise Unreadable(f"{self._name!r} has no swell spectrum: its dimensions are of size 1")
        energy = self._polar(_MARK, rows, columns)
        if energy is None or not np.isfinite(energy).any():
            self._tell("the file has no swell spectrum: it is blank")
            energy = np.full((k.size, phi.size), np.nan)
        real, imaginary = (self._polar(f"oswQualityCrossSpectra{part}", rows, columns) for part in ("Re", "Im"))
        if real is None or imaginary is None:
            self._tell("the file has no cross spectra on the polar grid")
            real = imaginary = None
        lag, place = self._lag()
        cartesian = self._cartesian(place)
        if cartesian is None:
            self._tell("the file has no cartesian cross spectra")
        owner, ids, parts = self._partitions(k, phi, energy, rows, columns)
        if imaginary is not None:
            self._tell(_sign(imaginary, energy))
        total = self._number("oswTotalHs", positive=True)
        if not math.isfinite(total):
            self._tell(
                "the file tells no total height: Hs is that of the resolved part, without what the cut-off removes"
            )
        cutoff = self._number("oswAzCutoff", positive=True)
        cutoff = cutoff if cutoff > 0 else math.nan
        if not math.isfinite(cutoff):
            self._tell("the file tells no azimuth cut-off")
        shortest = self._values("oswSpecRes", "oswAngularBinSize")
        if shortest is None or shortest.shape != phi.shape or not np.isfinite(shortest).any():
            shortest = None
        else:
            shortest = np.where(shortest > 0, shortest, np.nan)[columns]
        land = self._number("oswLandFlag")
        if land > 0:
            self._tell("there is land in the imagette (oswLandFlag)")
        blank = not np.isfinite(energy).any()
        return WaveSpectrum(
            time=Stamp(row.label),
            lon=row.lon,
            lat=row.lat,
            satellite=row.satellite,
            mode=row.mode,
            file=self._name,
            incidence=row.incidence,
            heading=row.heading,
            k=k,
            phi=phi,
            energy=energy,
            cross_re=real,
            cross_im=imaginary,
            cartesian=cartesian,
            lag=lag,
            partitions=owner,
            partition_ids=ids,
            partition_hs=parts.hs,
            partition_wavelength=parts.wavelength,
            partition_direction=parts.direction,
            partition_quality=parts.quality,
            partition_iconf=parts.iconf,
            partition_ambiguity=parts.ambiguity,
            wind_speed=row.wind_speed,
            wind_from=row.wind_from,
            cutoff=cutoff,
            shortest=shortest,
            nrcs=self._number("oswNrcs"),
            hs=math.nan if blank else spectra.significant_height(k, phi, energy),
            total_hs=total,
            quality=row.quality,
            roughness=None,
            roughness_spacing=math.nan,
            model=None,
            notes=tuple(self.notes),
        )

    def _axes(self) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
        """Wavenumbers and directions, ascending, and where each of them is in the file."""
        k, phi = self._values("oswK", "oswWavenumberBinSize"), self._values("oswPhi", "oswAngularBinSize")
        if k is None or phi is None:
            raise Unreadable(f"{self._name!r} has no axes of its spectrum (oswK, oswPhi)")
        if k.size > 1 and phi.size > 1 and not (np.isfinite(k).all() and np.isfinite(phi).all() and (k > 0).all()):
            raise Unreadable(f"the axes of {self._name!r} (oswK, oswPhi) have gaps")
        words = " ".join(str(self._attributes("oswPhi").get(name, "")) for name in ("units", "long_name")).lower()
        heading = self._number("oswHeading")
        if "range" in words:
            phi = phi + range_azimuth(heading)
        elif "azimuth" in words or "heading" in words:
            phi = phi + heading
        phi = turned(phi)
        rows, columns = np.argsort(k, kind="stable"), np.argsort(phi, kind="stable")
        k, phi = k[rows], phi[columns]
        if (np.diff(k) <= 0).any() or (np.diff(phi) <= 0).any():
            raise Unreadable(f"the axes of {self._name!r} (oswK, oswPhi) have a value twice")
        return k, phi, rows, columns

    def _polar(self, name: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats | None:
        values = self._values(name, "oswWavenumberBinSize", "oswAngularBinSize")
        if values is None or values.shape != (rows.size, columns.size):
            return None
        return values[np.ix_(rows, columns)]

    def _lag(self) -> tuple[str, int]:
        """What is known of the looks, and which lag of the cartesian spectra is shown: the last, the longest.

        ESA's technical guide, "Ocean swell spectra processing": three looks, so lags of none, of neighbours and of the
        outer two. Public readers take the last. Which of them the spectra on the polar grid have, no file tells.
        """
        lags = self._values("oswLag", "oswLag")
        if lags is not None and lags.size > 1:
            listed = ", ".join(f"{lag:g}" for lag in lags)
            units = str(self._attributes("oswLag").get("units", "")) or "in the file's own units"
            return f"lag {lags[-1]:g} {units} of {listed} (cartesian)", lags.size - 1
        separation = self._number("oswLookSeparationTime", positive=True)
        if math.isfinite(separation):
            return f"looks {separation:g} s apart", 0
        flat = self._variables.get("oswCartSpecRe")
        count = flat.sizes.get("oswLag", 1) if flat is not None else 1
        if count > 1:
            return f"{count} lags, which the file does not tell; the last is taken", count - 1
        return "the file does not tell the time between the looks", 0

    def _cartesian(self, place: int) -> CartesianCross | None:
        dims: tuple[str, ...] = ("oswKyBinSize", "oswKxBinSize", "oswLag")
        if "oswCartSpecRe" not in self._variables or "oswCartSpecIm" not in self._variables:
            return None
        if "oswLag" not in self._variables["oswCartSpecRe"].dims:
            dims = dims[:2]
        real, imaginary = self._values("oswCartSpecRe", *dims), self._values("oswCartSpecIm", *dims)
        across, along = self._values("oswKx", "oswKxBinSize"), self._values("oswKy", "oswKyBinSize")
        if real is None or imaginary is None or across is None or along is None or min(real.shape[:2]) < 2:
            return None
        if len(dims) == 3:
            real, imaginary = real[..., place], imaginary[..., place]
        return CartesianCross(
            real,
            imaginary,
            self._per_metre("oswKx", across, "oswGroundRngSize"),
            self._per_metre("oswKy", along, "oswAziSize"),
        )

    def _per_metre(self, name: str, values: Floats, size: str) -> Floats:
        """Wavenumbers in rad/m: where they are not, they are divided by the size of the area, as public readers do."""
        units = str(self._attributes(name).get("units", "")).replace(" ", "").lower()
        if units in ("rad/m", "radm-1", "rad.m-1", "1/m", "m-1") and np.nanmax(np.abs(values)) < 2:
            return values
        metres = self._number(size, positive=True)
        self._tell(f"{name} is not in rad/m: it was divided by the size of the estimation area")
        return values / (metres if metres > 0 else 20_000.0)

    def _partitions(
        self, k: Floats, phi: Floats, energy: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.int16], NDArray[np.int16], _Parts]:
        """Which partition each bin belongs to, the numbers that there are, and their parameters."""
        numbers = self._polar("oswPartitions", rows, columns)
        if numbers is None:
            self._tell("the file has no partitions")
            numbers = np.full((k.size, phi.size), np.nan)
        is_none = ~np.isfinite(numbers) | (numbers < 0) | (numbers == 255)
        owner = np.where(is_none, -1, numbers).astype(np.int16)
        ids = np.unique(owner[owner >= 0])
        parts = self._parts()
        places = self._matched(ids, parts)
        # Partitions that have parameters and no bin follow.
        rest = np.setdiff1d(np.flatnonzero(parts.there), places)
        spare = np.setdiff1d(np.arange(ids.size + rest.size + int(ids.max(initial=0)) + 1), ids)[: rest.size]
        if rest.size:
            self._tell(f"{rest.size} partition(s) have parameters and no bins in the spectrum")
        found = parts.at(np.concatenate([places, rest]).astype(np.int64))
        for number, direction in zip(ids.tolist(), found.direction, strict=False):
            top = spectra.peak(k, phi, energy, owner == number)
            if top is not None and angle_between(top.direction, direction) > 135:
                self._tell(
                    f"partition {number}: the file's direction ({direction:.0f}°) is opposite to the spectrum's peak "
                    f"({top.direction:.0f}°)"
                )
        return owner, np.concatenate([ids, spare]).astype(np.int16), found

    def _matched(self, ids: NDArray[np.int16], parts: _Parts) -> NDArray[np.int64]:
        """Where the parameters of each number are: at that place, or in the order of the numbers.

        Published products number three partitions 0, 1, 3 and have their parameters at 0, 1, 2.
        """
        places = ids.astype(np.int64)
        there = np.flatnonzero(parts.there)
        if np.isin(places, there).all():
            return places
        if there.size >= ids.size:
            self._tell(
                f"partitions are numbered {', '.join(map(str, ids))}: their parameters are taken in the order given"
            )
            return there[: ids.size]
        self._tell("some partitions have no parameters")
        return np.where(np.isin(places, there), places, -1)


def _codes(values: Floats) -> NDArray[np.int8]:
    """Codes as small integers; what is missing, or no code, is -1."""
    known = np.isfinite(values) & (values >= 0) & (values <= 127)
    return np.where(known, np.nan_to_num(values), -1).astype(np.int8)


def _sign(imaginary: Floats, energy: Floats) -> str:
    """Which sign of the imaginary cross spectrum lies where the waves go to: it depends on the order of the looks."""
    weights = np.nan_to_num(imaginary) * np.nan_to_num(energy)
    if not np.abs(weights).sum() > 0:
        return ""
    return f"the imaginary cross spectrum is {'positive' if weights.sum() > 0 else 'negative'} where the waves go to"
