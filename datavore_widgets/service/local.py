"""The embedded service: one door, behind which the answers are found in the user's own files."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from datavore_widgets.errors import DatavoreError, NotSupported, UnknownName
from datavore_widgets.protocol.answers import Catalog, FileList, LapsCatalog, MapImage, Series, Times
from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.job import Job
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
    QuicklookQuery,
    SeriesQuery,
    SpectrumQuery,
    TimesQuery,
)
from datavore_widgets.service.catalog import Library, open_catalog
from datavore_widgets.service.cluster import Cluster
from datavore_widgets.service.growing import Growing
from datavore_widgets.service.laps.folder import cache_folder
from datavore_widgets.service.laps.shelf import Shelf
from datavore_widgets.service.pictures import map_image
from datavore_widgets.service.select import select
from datavore_widgets.service.store import MIB, Caps, Stats, Store

if TYPE_CHECKING:
    from datavore_widgets.protocol.door import Answer
    from datavore_widgets.protocol.waves import Acquisitions, Quicklook, WaveSpectrum
    from datavore_widgets.service.waves.shelf import Waves

__all__ = ["LocalService"]


class LocalService:
    """Answers queries over NetCDF and Zarr, in this process.

    Parameters
    ----------
    spec : path, glob, list of paths, Dataset, mapping, or None
        What `open_catalog` takes; None is the built-in sample, which is synthetic and says so.
    caps : Caps
        What one answer may take.
    laps : path, optional
        The folder given to `prepare`; the user's cache folder if none was.
    scheduler : str, optional
        Address of a Dask scheduler whose workers read large boxes that are not prepared; by default those of the active
        `distributed.Client` if there is one, else this process. They have to see the files under the same paths.
    grows : bool
        Whether it answers before all of many files were looked into, of those that are known by then: its answers say
        so (`growth`), and there is more in them until all are listed.
    job : Job, optional
        To follow and to cancel the opening where it does not grow.
    prepares : bool
        Whether data are prepared for whoever asks; a server for others had better not.
    field_bytes, picture_bytes, series_bytes : int
        Memory for fields, for pictures, and for the statistics behind series and aggregates.

    Notes
    -----
    Safe to use from several threads; equal work that is asked for at the same time is done once.
    """

    def __init__(
        self,
        spec: Any = None,
        *,
        caps: Caps | None = None,
        laps: str | Path | None = None,
        scheduler: str | None = None,
        grows: bool = False,
        job: Job | None = None,
        prepares: bool = True,
        field_bytes: int = 256 * MIB,
        picture_bytes: int = 64 * MIB,
        series_bytes: int = 256 * MIB,
    ) -> None:
        if spec is None:
            # Here, not at the top: who brings files needs no sample.
            from datavore_widgets.service import sample

            spec, name = sample.catalog_path(), "sample"
        else:
            name = _name_of(spec)
        self._root = f"datavore:/{name}"
        self._growing = Growing(spec, self._take) if grows else None
        library = open_catalog(spec, job) if self._growing is None else self._growing.first()
        try:
            cluster = Cluster(spec, scheduler)
        except DatavoreError:
            library.close()
            raise
        self._store_of = partial(
            _store,
            caps=caps or Caps(),
            cluster=cluster,
            prepares=prepares,
            laps=Path(laps) if laps else cache_folder(),
            field_bytes=field_bytes,
            picture_bytes=picture_bytes,
            series_bytes=series_bytes,
        )
        self._store = self._store_of(library)
        if self._growing is not None:
            self._growing.start()

    def _take(self, library: Library) -> None:
        """Answer from now on of a fuller library; what is being answered is answered of the one before."""
        before, self._store = self._store, self._store_of(library)
        before.library.close()

    @property
    def growth(self) -> Growth | None:
        """How far the list of files is, while it grows; None when it is whole."""
        return None if self._growing is None else self._growing.growth

    def settle(self) -> None:
        """Wait until all files are listed."""
        if self._growing is not None:
            self._growing.wait()

    @property
    def root(self) -> str:
        """`datavore:/` and a name: what stands where a server has its URL."""
        return self._root

    @property
    def stats(self) -> Stats:
        """Counts of the work done."""
        return self._store.stats

    # The kind of answer follows from the kind of query: `Service` in protocol/door.py says which.
    def answer(self, query: Any, job: Job | None = None) -> Any:
        """The answer to a query.

        Parameters
        ----------
        query : Query
            One of `protocol.queries`.
        job : Job, optional
            To cancel it, and to hear of its progress.

        Raises
        ------
        DatavoreError
            Of the kind that fits; see `datavore_widgets.errors`.
        """
        handler = _HANDLERS.get(type(query))
        if handler is None:
            raise NotSupported(f"the embedded service has no answer to a {type(query).__name__}")
        # Before: what is found may be of a fuller list than it says, never of one that is less full.
        growth = self.growth
        found = handler(self._store, query, job or Job())
        return found if growth is None else _told(found, growth)

    def close(self) -> None:
        """Forget what was read, and close the files; a later question opens them again. A list grows no longer."""
        if self._growing is not None:
            self._growing.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalService {self.root}: {', '.join(self._store.library.indexes)}>"


def _store(library: Library, *, laps: Path, **options: Any) -> Store:
    return Store(library, shelf=Shelf(laps), **options)


def _told(answer: Any, growth: Growth) -> Any:
    """An answer that says that it was made of some of the files."""
    from datavore_widgets.protocol.waves import Acquisitions, Quicklook

    if isinstance(answer, Catalog | FileList | Acquisitions):
        return replace(answer, growth=growth)
    if isinstance(answer, MapImage | Quicklook | Series):
        return replace(answer, note="; ".join(filter(None, [answer.note, growth.text])))
    return answer


def _times(store: Store, query: TimesQuery, _job: Job) -> Times:
    if _has_waves(store, query.index):
        return _waves(store, query.index).times(query)
    return Times(select(store.library, query.index, query.varname, ()).variable.axis)


def _catalog(store: Store, _query: CatalogQuery, _job: Job) -> Catalog:
    return store.library.info()


def _laps_catalog(store: Store, _query: LapsCatalogQuery, _job: Job) -> LapsCatalog:
    """The indexes that have times."""
    infos = store.library.info().indexes.values()
    return LapsCatalog(
        tuple(
            {"index": info.index, "name": info.name, "title": info.title}
            for info in infos
            if info.count and info.kind == "grid"
        )
    )


def _files(store: Store, query: FilesQuery, job: Job) -> FileList:
    if _has_waves(store, query.index):
        return _waves(store, query.index).files(query)
    from datavore_widgets.service.filelist import file_list

    return file_list(store, query, job)


def _acquisitions(store: Store, query: AcquisitionsQuery, _job: Job) -> Acquisitions:
    return _waves(store, query.index).acquisitions(query)


def _spectrum(store: Store, query: SpectrumQuery, job: Job) -> WaveSpectrum:
    return _waves(store, query.index).spectrum(query, job)


def _quicklook(store: Store, query: QuicklookQuery, job: Job) -> Quicklook:
    return _waves(store, query.index).quicklook(query, job)


def _waves(store: Store, index: str) -> Waves:
    waves = store.library.waves
    if waves is None:
        raise UnknownName(f"there is no index {index!r} of a wave mode: no level-2 OCN product of Sentinel-1 is served")
    return waves


def _has_waves(store: Store, index: str) -> bool:
    return store.library.waves is not None and store.library.waves.has(index)


def _late(module: str, name: str) -> Callable[[Store, Any, Job], Answer]:
    """A function of the service that is imported when it is asked first: the first picture waits for every import."""

    @cache
    def function() -> Callable[[Store, Any, Job], Answer]:
        found: Callable[[Store, Any, Job], Answer]
        found = getattr(importlib.import_module(f"datavore_widgets.service.{module}"), name)
        return found

    def handle(store: Store, query: Any, job: Job) -> Answer:
        return function()(store, query, job)

    return handle


_HANDLERS: dict[type, Callable[[Store, Any, Job], Answer]] = {
    MapQuery: map_image,
    LapseMapQuery: _late("lapses", "lapse_map_image"),
    DataQuery: _late("data", "data"),
    LapseDataQuery: _late("data", "lapse_data"),
    SeriesQuery: _late("values", "series"),
    ExtractQuery: _late("values", "extract"),
    FilesQuery: _files,
    TimesQuery: _times,
    DoctorQuery: _late("doctor", "checkup"),
    PrepareQuery: _late("laps.ask", "preparation"),
    CatalogQuery: _catalog,
    LapsCatalogQuery: _laps_catalog,
    QuicklookQuery: _quicklook,
    AcquisitionsQuery: _acquisitions,
    SpectrumQuery: _spectrum,
}


def _name_of(spec: Any) -> str:
    """A name for what was opened: the last part of a path that has no wildcard."""
    if not isinstance(spec, str | Path):
        return "data"
    parts = [part for part in Path(spec).parts if not set(part) & set("*?[")]
    return (Path(parts[-1]).stem if parts else "") or "data"
