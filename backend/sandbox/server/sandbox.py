"""The sandbox's face: a loopback server in its own thread, and the object that drives it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import date
from types import TracebackType
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from ..faults import Fault, Step
from ..handler import Handled, Handler
from ..http_types import HttpRequest
from ..journal import Exchange
from ..quota import LimitsSetting
from ..script import Match
from .control import control, is_control
from .delivery import Delivery
from .protocol import ClientGoneError, Connection, SandboxProtocol, connection_of

KNOWN_UNTIL = date(2026, 11, 22)  # the day whose catalogue is served unless `today` says another


class Sandbox:
    """A provider on loopback that speaks Groq and Bedrock runtime on one port.

    `limits`: one for all models, or by model id; None enforces none. `keys`: API key or access
    key id to organisation; None accepts any key but those that begin with `invalid`. `clock`
    (seconds, monotonic) runs limits and timestamps, `wall_clock` (seconds since 1970) dates and
    HTTP-dates; faults take real time. `today` says which models still live; `latency` is in
    seconds per answer. `on_exchange` is called, in the server's thread, with each exchange as
    it ends; the newest `journal_size` of them are kept. A batch takes
    `batch_seconds` on `clock`.
    """

    def __init__(
        self,
        *,
        limits: LimitsSetting = None,
        keys: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        today: date = KNOWN_UNTIL,
        latency: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        on_exchange: Callable[[Exchange], None] | None = None,
        journal_size: int = 10_000,
        batch_seconds: float = 0.0,
    ) -> None:
        self._on_exchange = on_exchange
        self._handler = Handler(limits, keys, clock, wall_clock, today, journal_size, batch_seconds)
        self._latency = latency
        self._host = host
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """`http://host:port`, for both providers; raises RuntimeError before the first start."""
        if not self._port:
            raise RuntimeError("the sandbox has no URL before start()")
        return f"http://{self._host}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead the groq SDK and boto3 here."""
        return {
            "GROQ_BASE_URL": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
        }

    @property
    def limits(self) -> LimitsSetting:
        """The limits in force; setting them empties the buckets."""
        return self._handler.quota.limits

    @limits.setter
    def limits(self, limits: LimitsSetting) -> None:
        self._handler.quota.limits = limits

    @property
    def exchanges(self) -> list[Exchange]:
        """Every request seen so far, in order of arrival: a snapshot."""
        return self._handler.journal.snapshot()

    def script(
        self,
        *steps: Step | None,
        model: str | None = None,
        prompt: str | None = None,
        tool: str | None = None,
        turn: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Queue a step for each of the next model requests that fit; None answers normally.

        A request fits by its model, a part of its last question, a tool that it offers, and the
        number of the assistant's turn that it asks for. `times` is how often the steps are gone
        through; None is always.
        """
        self._handler.script.add(steps, Match(model, prompt, tool, turn), times)

    def clear(self) -> None:
        """Forget exchanges, scripted steps, fault counts and what was used of the limits."""
        self._handler.clear()

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Exchange]:
        """Block until `count` requests have arrived; TimeoutError after `timeout` seconds."""
        return self._handler.journal.wait_for(count, timeout)

    def start(self) -> Sandbox:
        """Listen, on the port it had before if any; raises OSError where the port is taken."""
        if self._thread is not None:
            return self
        # Bound here, so that a taken port is the caller's error and the URL is known at once.
        # A crowd that connects at once must not meet a full queue, which looks like a slow network.
        listener = socket.create_server((self._host, self._port), backlog=1024)
        self._port = listener.getsockname()[1]
        ready: Future[None] = Future()
        thread = threading.Thread(
            target=self._run, args=(listener, ready), name="sandbox", daemon=True
        )
        thread.start()
        try:
            ready.result()
        except BaseException:
            listener.close()
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """Drop every connection, also held ones, and end the thread; harmless when stopped."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()
        self._loop = self._stopping = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Sandbox:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _run(self, listener: socket.socket, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(listener, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)  # start() raises it

    async def _serve(self, listener: socket.socket, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        config = uvicorn.Config(
            self._application,
            http=SandboxProtocol,
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            # The services keep connections for a minute or more; uvicorn's 5 s would show up in
            # clients as disconnects that no fault asked for.
            timeout_keep_alive=75,
        )
        config.load()
        state = ServerState()
        shared = {"ordinals": itertools.count(1)}
        server = await self._loop.create_server(
            lambda: SandboxProtocol(config=config, server_state=state, app_state=shared),
            sock=listener,
        )
        ready.set_result(None)
        # Not uvicorn's own Server: it polls ten times a second and waits for requests to end.
        await self._stopping.wait()
        # asyncio makes a connection some steps after it took it, and drops it unclosed where the
        # server was closed meanwhile: so no more are taken before that.
        with suppress(NotImplementedError):  # the event loop of Windows
            self._loop.remove_reader(listener.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()
        # Whoever is pausing for a fault wakes up by the loss of its connection.
        for protocol in list(state.connections):
            protocol.transport.abort()
        await asyncio.gather(*state.tasks)
        await server.wait_closed()

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:  # it left before the request was whole: there is nobody to answer
            return
        query = scope["query_string"].decode("latin-1")
        if is_control(scope["path"]):
            response = control(self._handler, request.method, scope["path"], query, body)
            await Delivery(response, Fault(), connection, send).run()
            return
        http_request = HttpRequest(
            request.method, scope["path"], dict(request.headers), body, query
        )
        handled = self._handler.receive(http_request, connection.ordinal)
        await self._deliver(handled, connection, send)
        # Read again, since what became of it was filled in while it was sent.
        exchange = self._handler.journal.find(handled.number)
        if self._on_exchange is not None and exchange is not None:
            self._on_exchange(exchange)

    async def _deliver(self, handled: Handled, connection: Connection, send: Send) -> None:
        status: int | None = None

        async def send_and_book(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._handler.dispatched(handled, status)
            await send(message)

        delivery = Delivery(handled.response, handled.fault, connection, send_and_book)
        try:
            if self._latency:
                await connection.pause(self._latency)
            await delivery.run()
        except ClientGoneError:
            if status is None:
                self._handler.dispatched(handled, None)
        finally:
            self._handler.ended(handled, delivery.frames_sent)
