"""The sandbox's custodian broker: the shapes of Alpaca's Broker API, one account.

    python -m sandbox.custodian --port 9102 --state var/sandbox/custodian \\
        --calendar platform/reference/data/xnys.csv --prices http://127.0.0.1:9104

Market orders by qty or notional, filled in the regular session alone at the
feed's price of that moment; T+1 settlement; client_order_id is unique. Nothing
ticks: what fell due since the last question is done before it is answered.
    GET  /v1/accounts, /v1/calendar, /v1/clock, /v1/accounts/activities/FILL
    POST /v1/trading/accounts/{id}/orders        GET too; DELETE .../orders/{id}
    GET  /v1/trading/accounts/{id}/orders:by_client_order_id?client_order_id=
    GET  /v1/trading/accounts/{id}/positions, /account
    POST /v1/accounts/{id}/transfers (dollars in), /v1/journals (JNLS: shares in)
Faults: POST /sandbox/custodian/faults {"lose_answers": n, "reject": n, "part": n}.
"""

import argparse
import asyncio
import base64
import binascii
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from sqlite3 import Row
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kernel import clock
from sandbox.custodian_book import Book, Calendar
from sandbox.custodian_desk import Desk, Rejected
from sandbox.custodian_json import (
    account_json,
    activity_json,
    calendar_json,
    clock_json,
    move_json,
    order_json,
    position_json,
)
from sandbox.serving import Options, serve

ACCOUNT_ID = "b0c5e7a0-0000-4000-8000-00000000c057"
FIRM_ACCOUNT_ID = "b0c5e7a0-0000-4000-8000-00000000f1e3"
FAULTS = ("lose_answers", "reject", "part")
OPEN = ("accepted",)
CLOSED = ("filled", "canceled", "expired", "rejected")

Handler = Callable[[Request], Awaitable[Response]]
Line = tuple[str, str, Handler]  # verb, path, who answers


def build(options: Options) -> Starlette:
    extra = options.extra
    clock.configure(options.clock_file)
    book = Book(options.state / "custodian.sqlite3", Calendar(extra.calendar))
    app = build_app(Desk(book, extra.prices, clock.now))
    app.add_middleware(_BasicAuth, key=extra.key, secret=options.secret)
    return app


def build_app(desk: Desk) -> Starlette:
    """The HTTP surface; every question first does what fell due."""
    one_by_one = asyncio.Lock()

    def up_to_date(handler: Handler) -> Handler:
        async def run(request: Request) -> Response:
            if request.path_params.get("account", ACCOUNT_ID) != ACCOUNT_ID:
                raise HTTPException(404, "account not found")
            async with one_by_one:
                await desk.work()
                return await handler(request)

        return run

    table = [*_trading(_Trading(desk)), *_funding(_Funding(desk)), *_market(_Market(desk.book))]
    return Starlette(
        routes=[Route(path, up_to_date(handler), methods=[verb]) for verb, path, handler in table],
        exception_handlers={Rejected: _rejected, HTTPException: _http_error},
    )


class _Trading:
    """Orders, and the positions that come of them."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.book = desk, desk.book

    async def account(self, request: Request) -> Response:
        return JSONResponse(account_json(ACCOUNT_ID, self.book, clock.now()))

    async def place(self, request: Request) -> Response:
        order = await self.desk.place(await _body(request))
        if self.book.strikes("lose_answers"):
            return Response(status_code=504)
        return JSONResponse(order_json(order))

    async def orders(self, request: Request) -> Response:
        wanted = request.query_params.get("status", "open")
        statuses = {"open": OPEN, "closed": CLOSED}.get(wanted, OPEN + CLOSED)
        return JSONResponse([order_json(row) for row in self.book.orders(statuses)])

    async def order(self, request: Request) -> Response:
        return JSONResponse(order_json(self._named(request)))

    async def order_by_client_id(self, request: Request) -> Response:
        wanted = request.query_params.get("client_order_id", "")
        return JSONResponse(order_json(_found(self.book.order(client_order_id=wanted))))

    async def cancel(self, request: Request) -> Response:
        self.desk.cancel(self._named(request))
        return Response(status_code=204)

    async def positions(self, request: Request) -> Response:
        held, promised = self.book.positions(), self.book.promised
        return JSONResponse([position_json(s, held[s], promised(s)) for s in sorted(held)])

    async def position(self, request: Request) -> Response:
        symbol = request.path_params["symbol"]
        held = self.book.positions().get(symbol)
        if held is None:
            raise HTTPException(404, "position does not exist")
        return JSONResponse(position_json(symbol, held, self.book.promised(symbol)))

    def _named(self, request: Request) -> Row:
        return _found(self.book.order(ident=request.path_params["order"]))


def _trading(surface: _Trading) -> list[Line]:
    account = "/v1/trading/accounts/{account}"
    return [
        ("GET", account + "/account", surface.account),
        ("GET", account + "/orders", surface.orders),
        ("POST", account + "/orders", surface.place),
        ("GET", account + "/orders:by_client_order_id", surface.order_by_client_id),
        ("GET", account + "/orders/{order}", surface.order),
        ("DELETE", account + "/orders/{order}", surface.cancel),
        ("GET", account + "/positions", surface.positions),
        ("GET", account + "/positions/{symbol}", surface.position),
    ]


class _Funding:
    """The account itself, what moved in and out of it, and the faults on order."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.book = desk, desk.book

    async def accounts(self, request: Request) -> Response:
        account = {"id": ACCOUNT_ID, "status": "ACTIVE", "currency": "USD"}
        return JSONResponse(
            [{**account, "account_number": "904837205", "account_type": "custodial"}]
        )

    async def activities(self, request: Request) -> Response:
        return JSONResponse([activity_json(row, ACCOUNT_ID) for row in self.book.fills()])

    async def transfer(self, request: Request) -> Response:
        return JSONResponse(move_json(self.desk.transfer(await _body(request)), ACCOUNT_ID))

    async def transfers(self, request: Request) -> Response:
        return JSONResponse([move_json(row, ACCOUNT_ID) for row in self.book.moves("wire")])

    async def journal(self, request: Request) -> Response:
        return JSONResponse(move_json(await self.desk.journal(await _body(request)), ACCOUNT_ID))

    async def journals(self, request: Request) -> Response:
        return JSONResponse([move_json(row, ACCOUNT_ID) for row in self.book.moves("JNLS")])

    async def set_faults(self, request: Request) -> Response:
        wanted = await _body(request)
        if set(wanted) - set(FAULTS):
            raise HTTPException(422, f"Faults are {', '.join(FAULTS)}.")
        with self.book.commit():
            for name, number in wanted.items():
                self.book.set_fault(name, int(number))
        return JSONResponse(wanted)


def _funding(surface: _Funding) -> list[Line]:
    return [
        ("GET", "/v1/accounts", surface.accounts),
        ("GET", "/v1/accounts/activities/FILL", surface.activities),
        ("GET", "/v1/accounts/{account}/transfers", surface.transfers),
        ("POST", "/v1/accounts/{account}/transfers", surface.transfer),
        ("GET", "/v1/journals", surface.journals),
        ("POST", "/v1/journals", surface.journal),
        ("POST", "/sandbox/custodian/faults", surface.set_faults),
    ]


class _Market:
    """When the market is open."""

    def __init__(self, book: Book) -> None:
        self.book = book

    async def calendar(self, request: Request) -> Response:
        return JSONResponse(calendar_json(self.book.calendar, request.query_params))

    async def clock(self, request: Request) -> Response:
        return JSONResponse(clock_json(self.book.calendar, clock.now()))


def _market(surface: _Market) -> list[Line]:
    return [("GET", "/v1/calendar", surface.calendar), ("GET", "/v1/clock", surface.clock)]


class _BasicAuth:
    """Key and secret on /v1, as the real broker asks; none are set, none are asked."""

    def __init__(self, app: ASGIApp, key: str, secret: str) -> None:
        self.app = app
        self.expected = f"{key}:{secret}".encode() if key or secret else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and self.expected:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(_credentials(given), self.expected):
                answer = JSONResponse({"message": "unauthorized."}, status_code=401)
                return await answer(scope, receive, send)
        await self.app(scope, receive, send)


def _credentials(header: bytes) -> bytes:
    scheme, _, encoded = header.partition(b" ")
    try:
        return base64.b64decode(encoded, validate=True) if scheme.lower() == b"basic" else b""
    except binascii.Error:
        return b""


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "request body format is invalid") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "request body format is invalid")
    return body


def _found(thing: Row | None) -> Row:
    if thing is None:
        raise HTTPException(404, "order not found")
    return thing


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    return JSONResponse({"code": error.code, "message": str(error)}, status_code=error.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"code": error.status_code * 10**5, "message": error.detail}, error.status_code
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calendar", type=Path, required=True, help="CSV of trading days")
    parser.add_argument("--prices", required=True, help="URL of the price feed")
    parser.add_argument("--key", default=os.environ.get("SANDBOX_CUSTODIAN_KEY", ""))


if __name__ == "__main__":
    serve(build, "custodian", arguments=arguments)
