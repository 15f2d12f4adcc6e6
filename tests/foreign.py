"""Strangers: a client and a server that know the protocol's facts and nothing of this package.

What they need they have themselves; nothing is imported from `datavore_widgets`.
"""

from __future__ import annotations

import http.client
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgpack
import numpy as np
from PIL import Image

# --- a client, as published ones are -------------------------------------------------------------------------------


class ForeignClient:
    """Writes the URLs that published clients write, unescaped but for what would break a request line."""

    def __init__(self, root: str) -> None:
        self._root = root

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self._root)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request("GET", path.replace(" ", "%20").replace('"', "%22"))
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def _answer(self, path: str) -> bytes:
        status, _, body = self.get(path)
        assert status == 200, body
        return body

    def get_image(self, index: str, varname: str, bbox: str, date: str, options: str = "filters={}") -> np.ndarray:
        body = self._answer(f"/{index.replace('/', '>')}/{varname}/{bbox}/{date}/map/?{options}")
        return np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))

    def get_data(self, index: str, varname: str, bbox: str, date: str, options: str = "filters={}") -> Any:
        body = self._answer(f"/{index.replace('/', '>')}/{varname}/{bbox}/{date}/data/?{options}")
        return msgpack.unpackb(body, object_hook=decode_array)

    def get_files(self, index: str, varname: str, bbox: str, lapse: str) -> list[str]:
        path = f"/{index.replace('/', '>')}/{varname}/{bbox}/{lapse}/filelist/?dl=0&inv=null&filters=null"
        return json.loads(self._answer(path))

    def get_config(self) -> dict[str, Any]:
        return json.loads(self._answer("/config/"))

    def get_laps_config(self) -> list[dict[str, Any]]:
        return json.loads(self._answer("/config_vertx/"))

    def get_series(self, index: str, varname: str, coord: str, lapse: str, groupby: str = "", sm: str = "avg") -> Any:
        return json.loads(self._answer(f"/{index}/{varname}/{coord}/{lapse}/ts?{groupby}sm={sm}"))["res"]

    def get_lapse_image(self, index: str, varname: str, bbox: str, lapse: str, sm: str = "avg") -> np.ndarray:
        body = self._answer(f"/{index}/{varname}/{bbox}/{lapse}/map/?sm={sm}&mapper_id=DVORTSMAPS")
        return np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))

    def get_extract(self, index: str, varnames: str, coord: str, lapse: str) -> list[dict[str, str]]:
        text = self._answer(f"/{index}/{varnames}/{coord}/{lapse}/extract/?filters=&format=csv").decode()
        header, *rows = (line.split(",") for line in text.splitlines())
        return [dict(zip(header, row, strict=True)) for row in rows]


def decode_array(told: dict[Any, Any]) -> Any:
    """The msgpack-numpy encoding of plain arrays."""
    if told.get(b"nd") is True:
        return np.frombuffer(told[b"data"], dtype=np.dtype(told[b"type"])).reshape(told[b"shape"])
    return told


# --- a server, as the original may be -------------------------------------------------------------------------------


def encode_array(array: np.ndarray) -> dict[bytes, Any]:
    return {b"nd": True, b"type": array.dtype.str, b"kind": b"", b"shape": array.shape, b"data": array.tobytes()}


class ForeignServer:
    """One index, `SEA>v1`, with `sst` on a 2-degree grid at three times; plate carrée pictures, no header of ours."""

    index, varname, times = "SEA>v1", "sst", (20120115, 20120215, 20120315)
    millis = (1326585600000, 1329264000000, 1331769600000)

    def __init__(self) -> None:
        self.lon = np.arange(-179.0, 180.0, 2.0)
        self.lat = np.arange(-89.0, 90.0, 2.0)
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> ForeignServer:
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/datavore/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def values(self, step: int) -> np.ndarray:
        """The latitude of each cell, plus the step: where a value belongs can be read from it."""
        return np.repeat(self.lat[:, None], self.lon.size, 1) + step

    def reply(self, target: str) -> tuple[str, bytes] | None:
        """(content type, body), or None for what is not there."""
        self.requests.append(target)
        parts = urlsplit(target)
        segments = [unquote(segment) for segment in parts.path.strip("/").split("/")][1:]
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if segments == ["config"]:
            return "application/json", json.dumps(self._config()).encode()
        if segments == ["config_vertx"]:
            return "application/json", b'[{"index": "SEA>v1", "name": "The sea", "provider": "nobody"}]'
        if len(segments) < 5 or segments[-1] not in ("map", "data", "filelist", "ts", "extract"):
            return None
        index, varname, place, date, word = "/".join(segments[:-4]), *segments[-4:]
        if index.replace("/", ">") != self.index or varname != self.varname:
            return None
        west, south, east, north = (float(edge) for edge in place.split(",")) if place.count(",") == 3 else (0,) * 4
        rows = (self.lat >= south) & (self.lat <= north)
        columns = (self.lon >= west) & (self.lon <= east)
        if word == "filelist":
            return "application/json", b'["a.nc", "b.nc"]'
        if word == "ts":
            assert set(options) <= {"groupby", "sm"}, options
            series = [[ms, float(self.values(n)[np.ix_(rows, columns)].mean())] for n, ms in enumerate(self.millis)]
            series[1][1] = None
            return "application/json", json.dumps({"res": series}).encode()
        if word == "extract":
            lines = [f"{ms},{n}.5" for n, ms in enumerate(self.millis)]
            return "text/csv", "\n".join(["TS,sst", *lines]).encode()
        if "," not in date:
            steps = [n for n, time in enumerate(self.times) if date.startswith(str(time)[: len(date)])]
            if not steps:
                return None
        if word == "data":
            told = {
                b"lon": encode_array(self.lon[columns]),
                b"lat": encode_array(self.lat[rows]),
                b"data": encode_array(self.values(steps[0])[np.ix_(rows, columns)]),
            }
            return "application/msgpack", msgpack.packb(told)
        return "image/png", self._picture(west, south, east, north, int(options.get("resolution", 360)))

    def _config(self) -> dict[str, Any]:
        times = {"first": "2012-01-15T00:00:00Z", "last": "2012-03-15T00:00:00Z", "count": 3}
        return {self.index: {"name": "sea", "bbox": [-180, -90, 180, 90], "times": times, "variables": {"sst": {}}}}

    def _picture(self, west: float, south: float, east: float, north: float, longer: int) -> bytes:
        """Grey by latitude: 0 at 90 degrees south, 255 at 90 degrees north."""
        scale = longer / max(east - west, north - south)
        width, height = round((east - west) * scale), round((north - south) * scale)
        lat = north - (np.arange(height) + 0.5) * (north - south) / height
        grey = np.rint((lat + 90.0) / 180.0 * 255.0).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(np.repeat(grey[:, None], width, 1)).convert("RGBA").save(out, "PNG")
        return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    owner: ForeignServer

    def do_GET(self) -> None:
        answer = self.owner.reply(self.path)
        kind, body = answer or ("text/html", b"<h1>Not Found</h1>")
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
