"""The command line: `datavore explore`, `serve`, `prepare`, `doctor` and `save`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, cast

import typer

from datavore_widgets import __version__
from datavore_widgets.errors import Cancelled, DatavoreError, InvalidValue
from datavore_widgets.web.child import ServiceProcess
from datavore_widgets.web.early import EarlyKernel

if TYPE_CHECKING:
    from datavore_widgets.service.local import LocalService

__all__ = ["main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Maps and time series of ocean data: an explorer in the browser, and a server for others.",
)


class Theme(StrEnum):
    """What the page looks like."""

    light = "light"
    dark = "dark"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say an error of ours in one red line: exit code 2 for what was asked wrongly, 1 for what went wrong."""
    try:
        yield
    except DatavoreError as error:
        typer.secho(f"datavore: {error}", fg=typer.colors.RED, err=True)
        raise typer.Exit(2 if error.status < 500 else 1) from error


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Have Ctrl-C raise behind the block: within an import it may be lost, and the program would go on."""
    pressed = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed.is_set():
        raise KeyboardInterrupt


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


class _Line:
    """Says on standard error how far something is: on a terminal in one line, else a line now and then."""

    every = 10.0
    """Seconds between two lines that stay."""

    def __init__(self) -> None:
        self._stays = not sys.stderr.isatty()
        self._next = time.monotonic() + (2.0 if self._stays else 0.0)

    def say(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + (self.every if self._stays else 0.2)
            typer.echo(text if self._stays else f"\r\x1b[K{text}", err=True, nl=self._stays)

    def end(self, text: str = "") -> None:
        """Clear the line; what is said in its place stays."""
        if text or not self._stays:
            typer.echo(text if self._stays else f"\r\x1b[K{text}", err=True, nl=bool(text))


def _tell_growth(service: LocalService) -> None:
    """Say how far the list of files is, until it is whole."""
    line = _Line()
    while (growth := service.growth) is not None:
        line.say(f"datavore: {growth.progress}; those are served")
        time.sleep(0.5)
    line.end("datavore: all files are listed")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def explore(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH|URL", help="Files, folders, globs, a catalogue; or a server's address."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of the page; 0 is any free one.  [default: 8866 or a free one]"),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    theme: Annotated[Theme, typer.Option(help="What the page looks like.")] = Theme.light,
) -> None:
    """Open the explorer on your data; on the built-in synthetic sample if none are given."""
    from datavore_widgets.connect import ENVIRONMENT, OPENED

    given = sources or [text for text in [os.environ.get(ENVIRONMENT, "")] if text]
    urls = [text for text in given if _is_url(text)]

    def on_ready(url: str) -> None:
        typer.echo(f"The explorer is at {url} (Ctrl-C ends it)")
        if browser:
            threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()

    with _told(), contextlib.ExitStack() as stack:
        if urls and len(given) > 1:
            raise InvalidValue(f"either one server or paths, not both: {', '.join(given)}")
        for url in urls:
            _ask(url)
        # Voila is imported while the service opens the files, and the first kernel loads what it needs.
        service = None if urls else stack.enter_context(ServiceProcess(given))
        early = stack.enter_context(EarlyKernel()) if os.name == "posix" else None
        # Most of that import would go into grammars of addresses and durations, which jsonschema takes for checks that
        # nobody asks for, and does without where there are none; and into selectors of style sheets, for nobody.
        for name in ("rfc3987_syntax", "rfc3986_validator", "isoduration"):
            sys.modules.setdefault(name, cast(ModuleType, None))
        sys.modules.setdefault("soupsieve", ModuleType("soupsieve"))
        with _held_back():
            from datavore_widgets.web.site import explorer_site

            site = explorer_site(on_ready, port=port, theme=theme, early=early)
        if service is not None:
            urls = [url for url in [service.url()] if url]
            if not urls:  # it has said why
                raise typer.Exit(service.close())
        os.environ[ENVIRONMENT] = urls[0]
        if service is not None:
            os.environ[OPENED] = json.dumps([str(Path(path).absolute()) for path in given])
        if service is not None:
            service.when_ended(site.close)
        site.start()
        if service is not None and (code := service.returncode()) is not None:
            typer.secho(f"datavore: the service has ended (exit code {code})", fg=typer.colors.RED, err=True)
            raise typer.Exit(1)


def _ask(url: str) -> None:
    """Say at once what is wrong with a server, and not in the page of every visitor."""
    from datavore_widgets.client.http import HttpService
    from datavore_widgets.protocol.queries import CatalogQuery

    HttpService(url).answer(CatalogQuery())


@app.command()
def serve(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Files, folders, globs, a catalogue.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 8321,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler whose workers read large boxes.  [default: this process]"),
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare/--no-prepare", help="Prepare data in the cache folder for whoever asks.")
    ] = False,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Serve your data to other programs; the built-in synthetic sample if none are given."""
    # Nobody else opens files in this process, and who writes them elsewhere must not find them locked for days;
    # a change is seen by the file's fingerprint.
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    with _told():
        from datavore_widgets.server.app import build_app
        from datavore_widgets.server.run import serve_background
        from datavore_widgets.service.local import LocalService
        from datavore_widgets.service.sample import catalog_path

        with (
            LocalService(paths or [str(catalog_path())], scheduler=scheduler, grows=True, prepares=prepare) as service,
            serve_background(build_app(service), host=host, port=port) as server,
        ):
            typer.echo(f"Serving at {server.url} (Ctrl-C ends it)")
            if service.growth is not None:
                threading.Thread(target=_tell_growth, args=[service], daemon=True).start()
            _wait(until_eof)


@app.command()
def prepare(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files, folders, globs, a catalogue.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to keep what is made.  [default: the user's cache folder]")
    ] = None,
    fields: Annotated[
        bool | None,
        typer.Option(help="Also keep a copy for pictures and scrubbing.  [default: where pictures would be slow]"),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers do it.  [default: this process]")
    ] = None,
) -> None:
    """Prepare your data, once, so that boxes and lapses of them take milliseconds; again after files were added."""
    with _told():
        from datavore_widgets.protocol.job import Job
        from datavore_widgets.service.laps.prepare import prepare as prepare_data

        with typer.progressbar(length=100, label="Preparing") as bar:
            job = Job(lambda done, total: bar.update(100 * done // max(total, 1) - bar.pos))
            try:
                told = prepare_data(paths, folder=folder, fields=fields, job=job, scheduler=scheduler)
            except KeyboardInterrupt:
                raise Cancelled("stopped; the same command goes on from here") from None
        for done in told:
            typer.echo(
                f"{done.index} {done.varname}: {done.steps} times, {done.built} segments made and {done.kept} kept, "
                f"{done.nbytes / 1e6:,.0f} MB in {done.folder}"
            )


_COLOURS = {
    "well": typer.colors.GREEN,
    "mended": typer.colors.BLUE,
    "doubtful": typer.colors.YELLOW,
    "refused": typer.colors.MAGENTA,
    "unreadable": typer.colors.RED,
}


@app.command()
def doctor(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files, folders, globs, a catalogue.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line and file, for programs.")] = False,
) -> None:
    """Say of every file what it is, what was mended on opening, what is doubtful, and what cannot be shown and why."""
    import json
    from collections import Counter

    with _told():
        from datavore_widgets.protocol.diagnosis import as_text
        from datavore_widgets.protocol.growth import Growth
        from datavore_widgets.protocol.job import Job
        from datavore_widgets.service.doctor import examine

        counts: Counter[str] = Counter()
        status, started, job = _Line(), time.monotonic(), Job()
        for done, found in enumerate(examine(paths, job), 1):
            if not sys.stdout.isatty():  # else what is said of each file shows how far it is
                rate = done / (time.monotonic() - started)
                status.say(f"datavore: {Growth(done, done, max(job.total, done), rate).progress}")
            counts[found.state] += 1
            if as_json:
                typer.echo(json.dumps(found.as_dict(), allow_nan=False))
                continue
            for meant, line in as_text(found):
                typer.secho(line, fg=_COLOURS.get(meant), bold=meant == found.state)
            typer.echo()
        if not sys.stdout.isatty():
            status.end()
        if not as_json:
            typer.echo(", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state]))
    if counts["unreadable"]:
        raise typer.Exit(1)


@app.command()
def save(
    to: Annotated[Path, typer.Option(help="The file: .png for the picture, .nc or .csv for the numbers.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH|URL", help="Files, folders, globs, a catalogue; or a server's address."),
    ] = None,
    index: Annotated[str | None, typer.Option(help="Which, if there are several.")] = None,
    variable: Annotated[str | None, typer.Option(help="Which, if there are several.")] = None,
    date: Annotated[str | None, typer.Option(help="20120815, 2012-08-15T12:00 …  [default: the last]")] = None,
    lapse: Annotated[str | None, typer.Option(help="2012-01,2012-12: aggregate or series of these.")] = None,
    box: Annotated[str | None, typer.Option(help="west,south,east,north in degrees.  [default: all]")] = None,
    point: Annotated[str | None, typer.Option(help="longitude,latitude: the series of its cell.")] = None,
    series: Annotated[bool, typer.Option("--series", help="The series of the box, not its cells.")] = False,
    groupby: Annotated[str | None, typer.Option(help="Of a series: yyyy, yyyy-MM, yyyy-MM-dd, season, MM …")] = None,
    aggregate: Annotated[str, typer.Option(help="avg, area_avg, max, min, count, std, median, p90 …")] = "avg",
    filters: Annotated[str | None, typer.Option(help='JSON: {"quality_level": {"min": 4}, "depth": 0.5}')] = None,
    subtract: Annotated[str, typer.Option(help="A companion that is taken off the values, such as sses_bias.")] = "",
    cmap: Annotated[str | None, typer.Option(help="Colours of a picture.  [default: the variable's]")] = None,
    vmin: Annotated[float | None, typer.Option(help="Lower limit of the colours.")] = None,
    vmax: Annotated[float | None, typer.Option(help="Upper limit of the colours.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels of the longer side of a picture.")] = None,
    projection: Annotated[str, typer.Option(help="Of a picture: pc_world or mercator.")] = "pc_world",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Save a picture, the numbers behind it, or a series, with all that was asked and used, of your data or a server's.

    Of the built-in synthetic sample if no data are given.
    """
    with _told():
        from datavore_widgets.client.chosen import chosen, saved
        from datavore_widgets.connect import connect
        from datavore_widgets.protocol.queries import Style

        ending = to.suffix.lower().removeprefix(".")
        if not overwrite and to.exists():
            raise InvalidValue(f"{str(to)!r} is there already: choose another name, or replace it with --overwrite")
        given: str | list[str] | None = sources or None
        if given is not None and len(given) == 1 and _is_url(given[0]):
            given = given[0]
        service = connect(given)
        query = chosen(
            service,
            index=index,
            variable=variable,
            date=date,
            lapse=lapse,
            box=box,
            point=point,
            series=series,
            groupby=groupby,
            aggregate=aggregate,
            filters=filters,
            subtract=subtract,
            width=width,
            projection=projection,
            style=Style(cmap, vmin, vmax),
        )
        content, facts = saved(service, query, ending)
        _write(to, content)
        typer.echo(f"{to}: {', '.join(f'{name} {value}' for name, value in facts.items())}")


def _write(path: Path, content: bytes) -> None:
    """A file as a whole: what is interrupted leaves what was there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidValue(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def _wait(until_eof: bool) -> None:
    """Until Ctrl-C, SIGTERM, or the end of standard input."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if until_eof:
        threading.Thread(target=_at_eof, args=[ended.set], daemon=True).start()
    ended.wait()


def _at_eof(call: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    call()


def main() -> None:
    """Entry point of the command `datavore`."""
    app(prog_name="datavore")


if __name__ == "__main__":
    main()
