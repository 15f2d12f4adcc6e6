"""Everything of the wave mode that a service has: acquisitions, surfaces beside them, models' spectra."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from datavore_widgets.errors import NoData, UnknownName
from datavore_widgets.protocol.answers import FileList, IndexInfo, Times
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import AcquisitionsQuery, FilesQuery, QuicklookQuery, SpectrumQuery, TimesQuery
from datavore_widgets.protocol.times import TimeAxis, display, iso
from datavore_widgets.protocol.waves import Acquisitions, Quicklook, WaveSpectrum
from datavore_widgets.service.files import OpenFiles
from datavore_widgets.service.sphere import box_around, longitudes_around
from datavore_widgets.service.waves import names
from datavore_widgets.service.waves.models import Models
from datavore_widgets.service.waves.ocn import read_spectrum
from datavore_widgets.service.waves.roughness import roughness_beside
from datavore_widgets.service.waves.table import Table

__all__ = ["Waves"]


@dataclass(frozen=True, eq=False)
class Waves:
    """The wave mode of a library.

    Parameters
    ----------
    table : Table
        The acquisitions.
    models : Models
        Spectra of wave models.
    note : str
        Such as "synthetic data".
    files_open : OpenFiles
        Where handles are remembered.
    """

    table: Table
    models: Models = field(default_factory=Models)
    note: str = ""
    files_open: OpenFiles = field(default_factory=OpenFiles, repr=False)

    @property
    def satellites(self) -> list[str]:
        """Those that there are acquisitions of."""
        return [str(name) for name in np.unique(self.table.columns.satellite)]

    def indexes(self) -> Mapping[str, IndexInfo]:
        """What the catalogue tells of each satellite's index."""
        return {names.index_id(satellite): self._info(satellite) for satellite in self.satellites}

    def _info(self, satellite: str) -> IndexInfo:
        columns = self.table.columns
        mine = columns.satellite == satellite
        labels = columns.labels[mine]
        lon, lat = columns.lon[mine], columns.lat[mine]
        return IndexInfo(
            index=names.index_id(satellite),
            name=names.index_id(satellite),
            title=f"Sentinel-1{satellite[2:]} wave mode",
            bbox=box_around(*longitudes_around(lon, lon), float(lat.min()), float(lat.max())),
            first=iso(int(labels[0])),
            last=iso(int(labels[-1])),
            count=int(labels.size),
            variables=names.variables_of(satellite),
            note=self.note,
            kind="wave",
        )

    def has(self, index: str) -> bool:
        """Whether an index is one of these."""
        return index == names.ALL or names.satellite_of(index) in self.satellites

    def _satellite(self, index: str) -> str | None:
        if not self.has(index):
            known = [*map(names.index_id, self.satellites), names.ALL]
            raise UnknownName(f"there is no index {index!r} of a wave mode; there are {', '.join(known)}")
        return names.satellite_of(index)

    # --- answers ----------------------------------------------------------------------------------------------------

    def acquisitions(self, query: AcquisitionsQuery) -> Acquisitions:
        """The acquisitions in a box and a lapse."""
        rows = self.table.rows(self._satellite(query.index), query.bbox, query.lapse)
        total = rows.size
        if query.limit is not None and total > query.limit:
            rows = rows[np.linspace(0, total - 1, query.limit).round().astype(np.int64)]
        return self.table.take(rows, total)

    def files(self, query: FilesQuery) -> FileList:
        """The files of the acquisitions in a box and a lapse, in the order of time."""
        satellite = self._satellite(query.index)
        if query.index != names.ALL:
            names.kind_of(query.index, query.varname, self.satellites)
        rows = self.table.allowed(self.table.rows(satellite, query.bbox, query.lapse), query.filters)
        return FileList(tuple(self.table.paths[row] for row in rows))

    def times(self, query: TimesQuery) -> Times:
        """The times of a satellite's acquisitions."""
        satellite = self._satellite(query.index)
        names.kind_of(query.index, query.varname, self.satellites)
        columns = self.table.columns
        mine = columns.labels if satellite is None else columns.labels[columns.satellite == satellite]
        return Times(TimeAxis(np.unique(mine)))

    def spectrum(self, query: SpectrumQuery, job: Job) -> WaveSpectrum:
        """One acquisition with its surface and the model's spectrum nearest to it."""
        row = self.table.find(self._satellite(query.index), query.date, query.bbox)
        return self._whole(row, job)

    def _whole(self, row: int, job: Job) -> WaveSpectrum:
        found = read_spectrum(self.table.source(row))
        job.check()
        roughness, spacing, note = roughness_beside(self.table.paths[row], found, self.files_open)
        notes = [*found.notes, *([note] if note else [])]
        model, why = self.models.nearest(found)
        notes += [why] if why else []
        return dataclasses.replace(
            found, roughness=roughness, roughness_spacing=spacing, model=model, notes=tuple(notes)
        )

    def quicklook(self, query: QuicklookQuery, job: Job) -> Quicklook:
        """A picture of the acquisition that a date means."""
        # Late: who asks for maps alone loads no Pillow.
        from datavore_widgets.service.waves.quicklook import draw

        self._satellite(query.index)
        kind, satellite = names.kind_of(query.index, query.varname, self.satellites)
        row = self.table.find(satellite, query.date, query.bbox)
        found = self._whole(row, job)
        missing = {
            "roughness": found.roughness is None and "no roughness file is beside it",
            "ww3": found.model is None and "no spectrum of a wave model is near it",
            "real": found.cross_re is None and found.cartesian is None and "it has no cross spectra",
            "imaginary": found.cross_im is None and found.cartesian is None and "it has no cross spectra",
            "swell": not math.isfinite(found.hs) and "it has no swell spectrum",
        }[kind]
        if missing:
            told = "; ".join(found.notes)
            raise NoData(
                f"the acquisition of {display(found.time.label)} ({found.file}) has no picture of {query.varname!r}: "
                f"{missing} ({told})"
            )
        about = names.about(kind)
        png, (width, height) = draw(kind, found)
        return Quicklook(
            png=png,
            width=width,
            height=height,
            time=found.time,
            lon=found.lon,
            lat=found.lat,
            satellite=found.satellite,
            mode=found.mode,
            incidence=found.incidence if math.isfinite(found.incidence) else None,
            units=about[1],
            long_name=about[0],
            note="; ".join(found.notes),
            file=found.file,
        )
