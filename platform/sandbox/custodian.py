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
Faults: POST /sandbox/custodian/faults {"lose_answers": n, "reject": n}.
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
FAULTS = ("lose_answers", "reject")
OPEN = ("accepted",)
CLOSED = ("filled", "canceled", "expired", "rejected")

Handler = Callable[[Request], Awaitable[Response]]


def build(options: Options) -> Starlette:
    extra = options.extra
    clock.configure(options.clock_file)
    book = Book(options.state / "custodian.sqlite3", Calendar(extra.calendar))
    app = build_app(Desk(book, extra.prices, clock.now))
    app.add_middleware(_BasicAuth, key=extra.key, secret=options.secret)
    return app


def build_app(desk: Desk) -> Starlette:
    """The HTTP surface; every question first does what fell due."""
    book, one_by_one = desk.book, asyncio.Lock()

    def up_to_date(handler: Handler) -> Handler:
        async def run(request: Request) -> Response:
            if request.path_params.get("account", ACCOUNT_ID) != ACCOUNT_ID:
                raise HTTPException(404, "account not found")
            async with one_by_one:
                await desk.work()
                return await handler(request)

        return run

    async def accounts(request: Request) -> Response:
        account = {"id": ACCOUNT_ID, "status": "ACTIVE", "currency": "USD"}
        return JSONResponse(
            [{**account, "account_number": "904837205", "account_type": "custodial"}]
        )

    async def account(request: Request) -> Response:
        return JSONResponse(account_json(ACCOUNT_ID, book, clock.now()))

    async def place(request: Request) -> Response:
        order = await desk.place(await _body(request))
        if book.strikes("lose_answers"):
            return Response(status_code=504)
        return JSONResponse(order_json(order))

    async def orders(request: Request) -> Response:
        wanted = request.query_params.get("status", "open")
        statuses = {"open": OPEN, "closed": CLOSED}.get(wanted, OPEN + CLOSED)
        return JSONResponse([order_json(row) for row in book.orders(statuses)])

    async def order(request: Request) -> Response:
        return JSONResponse(order_json(_found(book.order(ident=request.path_params["order"]))))

    async def order_by_client_id(request: Request) -> Response:
        wanted = request.query_params.get("client_order_id", "")
        return JSONResponse(order_json(_found(book.order(client_order_id=wanted))))

    async def cancel(request: Request) -> Response:
        desk.cancel(_found(book.order(ident=request.path_params["order"])))
        return Response(status_code=204)

    async def positions(request: Request) -> Response:
        held = book.positions()
        return JSONResponse([position_json(s, held[s], book.promised(s)) for s in sorted(held)])

    async def position(request: Request) -> Response:
        symbol = request.path_params["symbol"]
        held = book.positions().get(symbol)
        if held is None:
            raise HTTPException(404, "position does not exist")
        return JSONResponse(position_json(symbol, held, book.promised(symbol)))

    async def activities(request: Request) -> Response:
        filled = book.orders(("filled",))
        return JSONResponse([activity_json(row, ACCOUNT_ID) for row in filled])

    async def calendar(request: Request) -> Response:
        return JSONResponse(calendar_json(book.calendar, request.query_params))

    async def market_clock(request: Request) -> Response:
        return JSONResponse(clock_json(book.calendar, clock.now()))

    async def transfer(request: Request) -> Response:
        return JSONResponse(move_json(desk.transfer(await _body(request)), ACCOUNT_ID))

    async def transfers(request: Request) -> Response:
        return JSONResponse([move_json(row, ACCOUNT_ID) for row in book.moves("wire")])

    async def journal(request: Request) -> Response:
        return JSONResponse(move_json(await desk.journal(await _body(request)), ACCOUNT_ID))

    async def journals(request: Request) -> Response:
        return JSONResponse([move_json(row, ACCOUNT_ID) for row in book.moves("JNLS")])

    async def set_faults(request: Request) -> Response:
        wanted = await _body(request)
        if set(wanted) - set(FAULTS):
            raise HTTPException(422, f"Faults are {', '.join(FAULTS)}.")
        with book.commit():
            for name, number in wanted.items():
                book.set_fault(name, int(number))
        return JSONResponse(wanted)

    trading = "/v1/trading/accounts/{account}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/v1/accounts", accounts),
        ("GET", "/v1/accounts/activities/FILL", activities),
        ("GET", "/v1/calendar", calendar),
        ("GET", "/v1/clock", market_clock),
        ("GET", trading + "/account", account),
        ("GET", trading + "/orders", orders),
        ("POST", trading + "/orders", place),
        ("GET", trading + "/orders:by_client_order_id", order_by_client_id),
        ("GET", trading + "/orders/{order}", order),
        ("DELETE", trading + "/orders/{order}", cancel),
        ("GET", trading + "/positions", positions),
        ("GET", trading + "/positions/{symbol}", position),
        ("GET", "/v1/accounts/{account}/transfers", transfers),
        ("POST", "/v1/accounts/{account}/transfers", transfer),
        ("GET", "/v1/journals", journals),
        ("POST", "/v1/journals", journal),
        ("POST", "/sandbox/custodian/faults", set_faults),
    ]
    return Starlette(
        routes=[Route(path, up_to_date(handler), methods=[verb]) for verb, path, handler in table],
        exception_handlers={Rejected: _rejected, HTTPException: _http_error},
    )


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
