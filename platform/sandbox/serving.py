"""How every sandbox party starts: one command line, one server, loopback only.

    python -m sandbox.prices --port 9104 --state var/sandbox/prices
A party gives `serve` a function that builds its Starlette app from the parsed
options; the clock and a health page are mounted on each.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kernel import clock
from sandbox import clock as sandbox_clock

GRACEFUL_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What a party is started with; `extra` holds its own arguments."""

    host: str
    port: int
    state: Path  # a directory of the party's own, made when absent
    secret: str  # shared with the platform where the real party has one
    clock_file: Path
    extra: argparse.Namespace


Arguments = Callable[[argparse.ArgumentParser], None]


def serve(
    build: Callable[[Options], Starlette],
    name: str,
    *,
    arguments: Arguments | None = None,
    argv: list[str] | None = None,
) -> None:
    """Parse the command line, build the app, serve it until SIGINT or SIGTERM.

    `--secret` may also come in SANDBOX_SECRET, out of the process list.
    Exits 2 with one sentence in production or off loopback.
    """
    options = parse(name, arguments=arguments, argv=argv)
    _refuse_unsafe(options.host)
    app = prepare(build(options), name, options)
    # uvicorn raises the signal again once it has stopped; that is the end of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def parse(
    name: str, *, arguments: Arguments | None = None, argv: list[str] | None = None
) -> Options:
    """Read the command line and make the state directory."""
    parser = argparse.ArgumentParser(prog=f"sandbox.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="directory for what it keeps")
    parser.add_argument("--secret", default=os.environ.get("SANDBOX_SECRET", ""))
    parser.add_argument("--clock", type=Path, help="clock file (default: beside the state)")
    if arguments is not None:
        arguments(parser)
    extra = parser.parse_args(argv)
    state: Path = extra.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    clock_file: Path = extra.clock or state.parent / "clock.json"
    return Options(extra.host, extra.port, state, extra.secret, clock_file, extra)


def prepare(app: Starlette, name: str, options: Options) -> ASGIApp:
    """Follow the sandbox clock and add what every party answers."""
    clock.configure(options.clock_file)

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"party": name, "now": clock.now().isoformat()})

    app.router.routes.extend(sandbox_clock.routes(options.clock_file))
    app.router.routes.append(Route("/sandbox/health", health, methods=["GET"]))
    return _ControlsAreJson(app)


class _ControlsAreJson:
    """Refuse POSTs to /sandbox/ that are not JSON.

    A page in the tester's browser can send a form to loopback without asking,
    but not JSON; so no web page turns the sandbox's knobs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_foreign(scope):
            answer: Response = JSONResponse({"message": "Send JSON."}, status_code=415)
            return await answer(scope, receive, send)
        await self.app(scope, receive, send)

    @staticmethod
    def _is_foreign(scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] == "GET":
            return False
        kind = dict(scope["headers"]).get(b"content-type", b"")
        is_control: bool = scope["path"].startswith("/sandbox/")
        return is_control and not kind.startswith(b"application/json")


def _refuse_unsafe(host: str) -> None:
    if os.environ.get("BOURSE_ENV") == "production":
        sys.exit(_refusal("The sandbox does not run in production (BOURSE_ENV=production)."))
    if host != "localhost" and not ip_address(host).is_loopback:
        sys.exit(_refusal(f"The sandbox listens on loopback only, not on {host}."))


def _refusal(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
