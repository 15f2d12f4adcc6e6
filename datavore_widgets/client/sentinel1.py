"""Datavoresentinel1: pictures and files of Sentinel-1's wave mode, by the documented names."""

from __future__ import annotations

import warnings
from typing import Any

from datavore_widgets.client.base import Client, exact_keywords
from datavore_widgets.protocol.answers import FileList
from datavore_widgets.protocol.geometry import parse_bbox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import FilesQuery, QuicklookQuery, parse_filters
from datavore_widgets.protocol.times import Date, Lapse

__all__ = ["Datavoresentinel1"]


class Datavoresentinel1(Client):
    """Pictures and files of Sentinel-1's wave mode.

    Parameters
    ----------
    service : None, str, Path, list, xarray.Dataset or service
        A server's URL, files, or a service; None is what `$DATAVORE_SERVICE` names, else the built-in sample. See
        `datavore_widgets.connect`.

    Attributes
    ----------
    service : Service
        Who answers.
    """

    @exact_keywords
    def getImage(self, index: str, varname: str, date: Any, bbox: Any = "global", *, job: Job | None = None) -> bytes:
        """A labelled picture of the acquisition nearest to a date, at most 60 s off, inside the bbox.

        Parameters
        ----------
        index : str
            `"S1AWV.v3<"` or `"S1BWV.v3<"`; the embedded service also has S1C and S1D.
        varname : str
            `l1_roughness`, or one of the index's own satellite: `S1A_WV_OCN__2S_realcrossspectra_s1a`,
            `S1A_WV_OCN__2S_imaginarycrossspectra_s1a`, `S1A_WV_OCN__2S_ocean_swell_spectra_s1a`,
            `S1A_WV_OCN__2S_ww3`, and the same with `S1B` and `s1b`.
        date : str, int or datetime
            `YYYYMMDDhhmmss`, UTC.
        bbox : str or list of float
            `[west, south, east, north]` in degrees, the same as text, or `"global"`.
        job : Job, optional
            To cancel with.

        Returns
        -------
        bytes
            The PNG.

        Raises
        ------
        DatavoreError
            `NoData` when no acquisition is that near (it names the nearest), `UnknownName` for a variable of another
            satellite (it names the right one), and others.
        """
        query = QuicklookQuery(str(index), varname, Date.parse(date), parse_bbox(bbox))
        return self.service.answer(query, job).png

    @exact_keywords
    def getFileList(
        self,
        bbox: Any = "global",
        startdate: Any = "19500917",
        stopdate: Any = "21000917",
        dl: int = 0,  # noqa: ARG002
        inv: Any = "null",  # noqa: ARG002
        filters: Any = "null",
        *,
        job: Job | None = None,
    ) -> list[str]:
        """The files of all satellites in a bbox and between two dates, in the order of time.

        Parameters
        ----------
        bbox : str or list of float
            See `getImage`.
        startdate, stopdate : str, int or datetime
            Both included; a prefix at the end reaches to its last moment.
        dl, inv
            Accepted, as published clients send them; they have no effect.
        filters : mapping or str
            Ranges or values of columns of the acquisitions: `{"hs": {"min": 3}, "satellite": "S1A"}`.
        """
        lapse = Lapse(Date.parse(startdate), Date.parse(stopdate))
        query = FilesQuery("all<", "sss", parse_bbox(bbox), lapse, parse_filters(filters))
        found: FileList = self.service.answer(query, job)
        if found.growth is not None:
            warnings.warn(found.growth.text, UserWarning, stacklevel=2)
        return list(found.files)
