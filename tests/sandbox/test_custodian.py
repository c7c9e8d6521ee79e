"""The sandbox broker fills in the regular session alone and settles a trading day later."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.parties import CALENDAR, Party, SandboxClock

KEY, SECRET = "CK123", "a secret"
AAPL = "AAPL"


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    party = Party("prices", tmp_path_factory.mktemp("broker"), []).start()
    yield party
    party.kill()


@pytest.fixture
def broker(prices: Party, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    options = ["--calendar", str(CALENDAR), "--prices", prices.url]
    options += ["--clock", str(prices.clock_file)]
    folder = tmp_path_factory.mktemp("custodian")
    party = Party("custodian", folder, options, key=KEY, secret=SECRET)
    party.start()
    yield party
    party.kill()


@pytest.fixture
def api(broker: Party) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=broker.url, auth=(KEY, SECRET), timeout=20) as client:
        yield client


@pytest.fixture
def clock(prices: Party) -> SandboxClock:
    return SandboxClock(prices)


def account(api: httpx.Client) -> str:
    return str(api.get("/v1/accounts").json()[0]["id"])


def trading(api: httpx.Client, path: str) -> str:
    return f"/v1/trading/accounts/{account(api)}/{path}"


def pay_in(api: httpx.Client, dollars: str) -> None:
    body = {"transfer_type": "wire", "direction": "INCOMING", "amount": dollars}
    assert api.post(f"/v1/accounts/{account(api)}/transfers", json=body).status_code == 200


def place(api: httpx.Client, sells_or_buys: str, quantity: str, **more: str) -> httpx.Response:
    body = {
        "symbol": AAPL,
        "side": sells_or_buys,
        "qty": quantity,
        "type": "market",
        "time_in_force": "day",
        "client_order_id": str(uuid4()),
        **more,
    }
    return api.post(trading(api, "orders"), json=body)


def order(api: httpx.Client, placed: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = api.get(trading(api, f"orders/{placed.json()['id']}")).json()
    return found


def feed_price(prices: Party, at: datetime) -> float:
    feed = httpx.get(f"{prices.url}/v2/price_feeds", params={"query": "AAPL/USD"}).json()[0]
    when = int(at.timestamp())
    answer = httpx.get(f"{prices.url}/v2/updates/price/{when}", params={"ids[]": feed["id"]}).json()
    price = answer["parsed"][0]["price"]
    return int(price["price"]) * 10.0 ** int(price["expo"])


def test_an_order_waits_for_the_session_and_fills_at_its_price(
    api: httpx.Client, clock: SandboxClock, prices: Party
) -> None:
    pay_in(api, "1000000")
    clock.to_closed_market()
    placed = place(api, "buy", "10.5")
    assert order(api, placed)["status"] == "accepted"

    clock.to_next_session()
    filled = order(api, placed)

    assert filled["status"] == "filled"
    assert filled["filled_qty"] == "10.5"
    at = datetime.fromisoformat(filled["filled_at"])
    is_open = api.get("/v1/clock").json()["is_open"]
    assert is_open
    assert float(filled["filled_avg_price"]) == pytest.approx(feed_price(prices, at), rel=0.001)
    position = api.get(trading(api, "positions/AAPL")).json()
    assert position["qty"] == "10.5"
    cash = float(api.get(trading(api, "account")).json()["cash"])
    assert cash == pytest.approx(1_000_000 - 10.5 * float(filled["filled_avg_price"]), abs=0.01)


def test_a_trade_settles_on_the_next_trading_day(api: httpx.Client, clock: SandboxClock) -> None:
    pay_in(api, "1000000")
    clock.to_next_session()
    placed = place(api, "buy", "1")
    clock.advance(seconds=3)
    traded = datetime.fromisoformat(order(api, placed)["filled_at"]).date()

    span = {"start": str(traded), "end": str(traded + timedelta(days=7))}
    days = api.get("/v1/calendar", params=span).json()

    assert days[0]["date"] == str(traded)
    assert days[0]["settlement_date"] == days[1]["date"]


def test_proceeds_are_withdrawable_once_settled(api: httpx.Client, clock: SandboxClock) -> None:
    pay_in(api, "1000000")
    clock.to_next_session()
    bought = place(api, "buy", "10")
    clock.advance(seconds=3)
    assert order(api, bought)["status"] == "filled"
    sold = place(api, "sell", "10")
    clock.advance(seconds=3)
    assert order(api, sold)["status"] == "filled"

    same_day = api.get(trading(api, "account")).json()
    clock.to_next_session()
    next_day = api.get(trading(api, "account")).json()

    assert float(same_day["cash_withdrawable"]) < float(same_day["cash"])
    assert next_day["cash_withdrawable"] == next_day["cash"]
    assert api.get(trading(api, "positions")).json() == []


def test_a_client_order_id_is_taken_once(api: httpx.Client) -> None:
    pay_in(api, "1000000")
    ident = str(uuid4())
    first = place(api, "buy", "1", client_order_id=ident)

    second = place(api, "buy", "1", client_order_id=ident)

    assert (second.status_code, second.json()["code"]) == (422, 40010001)
    params = {"client_order_id": ident}
    found = api.get(trading(api, "orders:by_client_order_id"), params=params).json()
    assert found["id"] == first.json()["id"]


def test_orders_beyond_cash_or_shares_are_refused(api: httpx.Client) -> None:
    poor = place(api, "buy", "1")
    empty = place(api, "sell", "1")

    assert (poor.status_code, poor.json()["message"]) == (403, "insufficient buying power")
    assert empty.status_code == 403


def test_open_sales_promise_their_shares(api: httpx.Client, clock: SandboxClock) -> None:
    body = {"entry_type": "JNLS", "to_account": account(api), "symbol": AAPL, "qty": "10"}
    assert api.post("/v1/journals", json=body).status_code == 200
    clock.to_closed_market()

    assert place(api, "sell", "6").status_code == 200
    assert place(api, "sell", "6").status_code == 403
    assert api.get(trading(api, "positions/AAPL")).json()["qty_available"] == "4"


def test_a_halted_share_fills_when_it_trades_again(
    api: httpx.Client, clock: SandboxClock, prices: Party
) -> None:
    pay_in(api, "1000000")
    clock.to_next_session()
    prices.post("/sandbox/halt", {"ticker": AAPL, "code": "T1"})
    try:
        placed = place(api, "buy", "1")
        clock.advance(minutes=5)
        assert order(api, placed)["status"] == "accepted"
    finally:
        prices.post("/sandbox/halt", {"ticker": AAPL, "code": None})

    assert order(api, placed)["status"] == "filled"


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "NOSUCH"},
        {"qty": "0"},
        {"qty": "1.0000000001"},
        {"qty": "1e3"},
        {"side": "hold"},
        {"type": "limit"},
        {"notional": "5"},
    ],
)
def test_malformed_orders_are_refused(api: httpx.Client, change: dict[str, str]) -> None:
    pay_in(api, "1000000")

    assert place(api, "buy", "1", **change).status_code == 422


def test_an_order_survives_kill_9_and_a_lost_answer(broker: Party, api: httpx.Client) -> None:
    pay_in(api, "1000000")
    ident = str(uuid4())
    broker.post("/sandbox/custodian/faults", {"lose_answers": 1})
    assert place(api, "buy", "1", client_order_id=ident).status_code == 504

    broker.kill()
    broker.start()

    params = {"client_order_id": ident}
    assert api.get(trading(api, "orders:by_client_order_id"), params=params).status_code == 200


def test_only_our_key_is_answered(broker: Party) -> None:
    assert httpx.get(broker.url + "/v1/accounts").status_code == 401
    assert httpx.get(broker.url + "/v1/accounts", auth=(KEY, "guess")).status_code == 401
