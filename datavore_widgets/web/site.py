"""Voila over the notebook in `app/`, for this machine alone."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import HTTPError
from traitlets import default
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from datavore_widgets.errors import InvalidValue
from datavore_widgets.web.early import KERNEL, EarlyKernel

__all__ = ["Site", "explorer_site"]

_PACKAGE = Path(__file__).parents[1]
_HOST = "127.0.0.1"
_USUAL_PORT = 8866
_END_WITHIN = 10.0
_STARTED_WITHIN = 10.0
_PAGE = 3.0  # seconds that a page takes to come up on a slow machine
_PING = 30_000
_ENDED = (
    "The kernel of this page has ended before it was ready. Reload the page, and another one is started; if it ends "
    "too, the terminal where <code>datavore explore</code> runs says why."
)

_EXTENSIONS = [
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "anywidget",
    "bqplot",
    "bqscales",
    "jupyter-leaflet",
    "datavore-page",  # our own: see page/index.html.j2
]
"""What the explorer is made of; other extensions of the user's JupyterLab are not loaded into the page."""


class OwnKernel(KernelSpecManager):
    """Knows the Python that runs this process and no other: the app's kernels have what the app has."""

    @default("kernel_dirs")
    def _no_kernel_dirs(self) -> list[str]:
        return []

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """That Python, with what the app's kernels need."""
        spec = super().get_kernel_spec(kernel_name)
        spec.argv = [*KERNEL, "-f", "{connection_file}"]
        spec.metadata = {**spec.metadata, "kernel_provisioner": {"provisioner_name": _PROVISIONER}}
        return spec


class Provisioner(LocalProvisioner):
    """Starts kernels; the first of all is the one that was started with the command."""

    early: ClassVar[EarlyKernel | None] = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """A process for a kernel."""
        early, Provisioner.early = Provisioner.early, None
        child = early and early.begin(cmd[len(KERNEL) :], kwargs["env"], kwargs["cwd"])
        if not child:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = child
        self.pid = self.pgid = child.pid  # it has a session of its own
        self.cwd = kwargs["cwd"]
        return self.connection_info


_PROVISIONER = "datavore-widgets"
KernelProvisionerFactory.provisioners[_PROVISIONER] = EntryPoint(
    _PROVISIONER, f"{__name__}:Provisioner", KernelProvisionerFactory.GROUP_NAME
)


class Page(TornadoVoilaHandler):
    """The page, with the token by which it may end its kernel when it is left.

    Voila's own sends none with a page that was drawn before its visitor came; the kernel then lives until it is culled.
    """

    async def prepare(self) -> None:
        """Set the cookie, once it is known who asks, and wait for the first kernel to be started."""
        await super().prepare()
        _ = self.xsrf_token  # reading it sets it
        # Until then Voila knows of no kernel that stands by, and would start another one for who is quick.
        until = time.monotonic() + _STARTED_WITHIN
        while not self.kernel_manager.notebook_data and time.monotonic() < until:
            await asyncio.sleep(0.01)

    async def get(self, path: str | None = None) -> None:
        """The page; where its kernel ends before it is ready, a word of that in place of waiting for ever."""
        try:
            await super().get(path)
        except RuntimeError as error:
            self.log.error("The kernel of a page has ended before it was ready: %s", error)
            word = json.dumps(f"<p role='alert'>{_ENDED}</p>")
            self.finish(f"<script>document.getElementById('loading').innerHTML = {word};</script>")


class Site(Voila):
    """Voila with our own page, a port that is either ours or refused, and a way to be ended.

    Parameters
    ----------
    on_ready : callable
        Called with the URL when the page can be asked for.
    """

    port: int
    template_paths: list[str]

    def __init__(self, on_ready: Callable[[str], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_ready = on_ready
        self._sockets: list[socket.socket] = []
        self.ioloop = IOLoop.current()

    def setup_template_dirs(self) -> None:
        """Our page stands before Voila's."""
        super().setup_template_dirs()
        self.template_paths = [str(_PACKAGE / "web" / "page"), *self.template_paths]

    def init_handlers(self) -> list[Any]:
        """Voila's, with our page in place of its own."""
        return [
            (path, Page if handler is TornadoVoilaHandler else handler, *options)
            for path, handler, *options in super().init_handlers()
        ]

    def start(self) -> None:
        """Serve until SIGINT, SIGTERM or `close`, and then end the kernels.

        Raises
        ------
        InvalidValue
            When the port is in use or not allowed.
        """
        self._sockets = _bind(self.port)
        self.port = self._sockets[0].getsockname()[1]
        super().start()

    def listen(self) -> None:
        """Serve on the sockets that are bound already: called by `start`."""
        HTTPServer(self.app).add_sockets(self._sockets)
        self.ioloop.add_callback(self._on_ready, self.connection_url)
        # Not as an exception, which could strike anywhere and leave kernels behind.
        signal.signal(signal.SIGINT, self._handle_signal_stop)
        try:
            self.ioloop.start()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the kernels, those too that are being started; called when the loop has ended."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is being done
        self.ioloop.run_sync(self._end_kernels)
        shutil.rmtree(self.connection_dir, ignore_errors=True)

    async def _end_kernels(self) -> None:
        until = self.ioloop.time() + _END_WITHIN
        while True:
            try:
                await self.kernel_manager.shutdown_all(now=True)
            except HTTPError:  # a kernel that is being started is listed, and not found yet
                if self.ioloop.time() > until:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """End the site; may be called from any thread."""
        self.ioloop.add_callback(self.ioloop.stop)


def _bind(port: int) -> list[socket.socket]:
    try:
        if port < 0:
            try:
                return bind_sockets(_USUAL_PORT, _HOST)
            except OSError:
                return bind_sockets(0, _HOST)
        return bind_sockets(port, _HOST)
    except OverflowError:
        raise InvalidValue(f"a port is a number from 0 to 65535, not {port}") from None
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise InvalidValue(f"port {port} {reason}; give another one, or none and a free one is found") from error


def explorer_site(
    on_ready: Callable[[str], None], *, port: int | None = None, theme: str = "light", early: EarlyKernel | None = None
) -> Site:
    """The explorer's site, ready to be started.

    The kernels ask the service that `$DATAVORE_SERVICE` names when the site starts.

    Parameters
    ----------
    on_ready : callable
        Called with the URL when the page can be asked for.
    port : int, optional
        0 is any free one; None is 8866, or any free one if that is taken.
    theme : {'light', 'dark'}
        What the page looks like unless its URL says otherwise (`?theme=dark`).
    early : EarlyKernel, optional
        What becomes the first kernel.
    """
    Provisioner.early = early
    config = Config()
    config.Voila.notebook_path = str(_PACKAGE / "app" / "explorer.ipynb")
    config.Voila.ip = _HOST
    config.Voila.port = -1 if port is None else port
    config.Voila.open_browser = False
    config.Voila.log_level = logging.ERROR
    config.Voila.config_file_paths = []  # other sites' settings are not ours
    # A foreign Host header is a page elsewhere that resolves its own name to this machine.
    config.Voila.tornado_settings = {
        "allow_remote_access": False,
        "local_hostnames": ["localhost", _HOST],
        "ws_ping_interval": _PING,
        "ws_ping_timeout": _PING,  # jupyter_server's own is longer than tornado allows, which it says on every visit
    }
    config.VoilaConfiguration.template = "lab"
    config.VoilaConfiguration.theme = theme
    config.VoilaConfiguration.file_allowlist = []
    config.VoilaConfiguration.show_tracebacks = True  # who looks is who runs it; without it the page says nothing
    config.VoilaConfiguration.extension_allowlist = _EXTENSIONS
    config.VoilaConfiguration.extra_labextensions_path = [str(_PACKAGE / "web" / "page" / "extensions")]
    config.VoilaConfiguration.kernel_spec_manager_class = OwnKernel
    # One kernel stands by with the explorer drawn, so that a visitor waits for the browser only.
    config.VoilaConfiguration.preheat_kernel = True
    config.VoilaConfiguration.default_pool_size = 1
    # The next one starts when the visitor's page is there: it would take the processor from it.
    config.VoilaKernelManager.fill_delay = _PAGE
    if len(tempfile.gettempdir()) < 32 and os.name == "posix":
        # Sockets in a folder of the user's own; by TCP any user of the machine could listen to what kernels publish.
        # A socket's path has at most 104 bytes, of which the kernel's name takes 70: else TCP it is.
        config.KernelManager.transport = "ipc"
    # A kernel that was started again would know nothing of its page's widgets.
    config.KernelManager.autorestart = False
    # A page that is left ends its kernel; one whose browser could not say so is ended after ten minutes without it.
    config.MappingKernelManager.cull_idle_timeout = 600
    config.MappingKernelManager.cull_interval = 60
    site = Site(on_ready, config=config)
    site.initialize([])
    return site
