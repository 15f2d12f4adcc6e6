"""The one door: whoever answers queries, and everything that comes out."""

from __future__ import annotations

from typing import Protocol, overload

from datavore_widgets.protocol.answers import (
    Catalog,
    CellList,
    Extract,
    Field,
    FileList,
    LapsCatalog,
    MapImage,
    Series,
    Times,
)
from datavore_widgets.protocol.diagnosis import Checkup
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    DataQuery,
    DoctorQuery,
    ExtractQuery,
    FilesQuery,
    LapsCatalogQuery,
    LapseDataQuery,
    LapseMapQuery,
    MapQuery,
    PrepareQuery,
    Query,
    QuicklookQuery,
    SeriesQuery,
    SpectrumQuery,
    TimesQuery,
)
from datavore_widgets.protocol.waves import Acquisitions, Quicklook, WaveSpectrum

__all__ = ["Answer", "Service"]


Answer = (
    MapImage
    | Field
    | CellList
    | Series
    | Extract
    | FileList
    | Times
    | Checkup
    | Preparation
    | Catalog
    | LapsCatalog
    | Quicklook
    | Acquisitions
    | WaveSpectrum
)


class Service(Protocol):
    """Whoever can answer a query: the embedded service, a server asked over HTTP, or a client of either."""

    @overload
    def answer(self, query: MapQuery | LapseMapQuery, job: Job | None = None) -> MapImage: ...
    @overload
    def answer(self, query: DataQuery, job: Job | None = None) -> Field | CellList: ...
    @overload
    def answer(self, query: LapseDataQuery, job: Job | None = None) -> Field: ...
    @overload
    def answer(self, query: SeriesQuery, job: Job | None = None) -> Series: ...
    @overload
    def answer(self, query: ExtractQuery, job: Job | None = None) -> Extract: ...
    @overload
    def answer(self, query: FilesQuery, job: Job | None = None) -> FileList: ...
    @overload
    def answer(self, query: DoctorQuery, job: Job | None = None) -> Checkup: ...
    @overload
    def answer(self, query: PrepareQuery, job: Job | None = None) -> Preparation: ...
    @overload
    def answer(self, query: TimesQuery, job: Job | None = None) -> Times: ...
    @overload
    def answer(self, query: CatalogQuery, job: Job | None = None) -> Catalog: ...
    @overload
    def answer(self, query: LapsCatalogQuery, job: Job | None = None) -> LapsCatalog: ...
    @overload
    def answer(self, query: QuicklookQuery, job: Job | None = None) -> Quicklook: ...
    @overload
    def answer(self, query: AcquisitionsQuery, job: Job | None = None) -> Acquisitions: ...
    @overload
    def answer(self, query: SpectrumQuery, job: Job | None = None) -> WaveSpectrum: ...
    @overload
    def answer(self, query: Query, job: Job | None = None) -> Answer: ...
