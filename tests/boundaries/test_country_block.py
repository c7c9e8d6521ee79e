"""A listing that is not offered in a country is not offered there in any interface.

Marie lives in France, where AAPLx is not offered, and holds none; Anna in Germany, where
it is. Every interface is asked by both, so that a "not there" for Marie means the block
and nothing else. Addresses are read from the code: a view or method that is added later
is walked too. Who holds tokens there is in test_sell_only.py. Reserves and disclosures
are public statements, and instruments are shares, not tokens.
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import signing
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import api_keys
from accounts.models import Investor, User
from kernel import clock
from reference.models import CountryRule
from tests.partners import KrakenClient, Partner
from tests.trading.test_websocket import _close_clients, ask, next_of, socket  # noqa: F401
from trading import operations, order_entry
from trading.engine.refusals import SellOnly
from trading.kraken import public
from trading.models import Order
from trading.views.buy import SALT

SYMBOL, USD, TOKEN = "AAPLxUSDC", 1_000_000, 10**8
SPELLINGS = (SYMBOL, SYMBOL.lower())
LIMIT_BUY = {"side": "buy", "order_type": "limit", "quantity": "1", "price": "100"}
WITHOUT_A_PAIR = {"Time", "SystemStatus"}


@dataclass
class Reader:
    """One investor and every way of asking that she has."""

    investor_id: int
    browser: Client
    partner: Partner
    kraken: KrakenClient

    @classmethod
    def of(cls, venue: Any, name: str, country: str, tokens: int = 0) -> "Reader":
        investor_id: int = venue.investor(name, usd=1_000, tokens=tokens, country=country)
        user = User.objects.create_user(f"{name}@example.com", "a long enough password")
        Investor.objects.filter(pk=investor_id).update(
            user=user, kyc_status="approved", residence_country=country,
            first_approved_at=clock.now(),
        )  # fmt: skip
        browser = Client()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return cls(investor_id, browser, Partner.of(investor_id), KrakenClient.of(investor_id))

    def public(self, method: str, **parameters: str) -> tuple[list[str], Any]:
        """A public Kraken method by a client that names its key."""
        answer = self.kraken.client.get(
            f"/0/public/{method}", parameters, headers={"API-Key": self.kraken.key}
        ).json()
        return answer["error"], answer.get("result")


def block_listing(venue: Any) -> None:
    operations.block_country(listing_id=venue.listing.pk, country="FR", reason="the law")


def block_country(venue: Any) -> None:
    CountryRule.objects.update_or_create(
        country="FR", defaults={"name": "France", "status": "blocked", "reason": "the law"}
    )


@pytest.fixture
def anna(venue: Any) -> Reader:
    return Reader.of(venue, "Anna", "DE", tokens=5)


@pytest.fixture
def marie(venue: Any) -> Reader:
    return Reader.of(venue, "Marie", "FR")


@pytest.fixture(params=[block_listing, block_country], ids=["one listing", "a whole country"])
def blocked(request: pytest.FixtureRequest, venue: Any) -> None:
    request.param(venue)


def symbol_routes() -> list[str]:
    """Every address of ours with a listing's symbol in it."""
    found: list[str] = []

    def walk(prefix: str, patterns: list[URLPattern | URLResolver]) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(route, each.url_patterns)
            elif "symbol" in each.pattern.converters:
                found.append("/" + route)

    walk("", get_resolver().url_patterns)
    return found


def address(route: str, symbol: str) -> str:
    return route.replace("<slug:symbol>", symbol).replace("<str:symbol>", symbol)


def test_the_walk_knows_the_addresses_of_listings() -> None:
    known = set(symbol_routes())

    assert {"/trade/<slug:symbol>/", "/buy/<slug:symbol>/"} <= known
    assert {"/api/v1/listings/<str:symbol>/depth/", "/trade/<slug:symbol>/order/"} <= known


@pytest.mark.usefixtures("blocked")
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("route", symbol_routes())
def test_no_address_of_the_listing_is_there(
    venue: Any, anna: Reader, marie: Reader, route: str, spelling: str
) -> None:
    target = address(route, spelling)
    if route.endswith("/confirm/"):
        return  # takes a signed preview; see below
    posts = route.endswith("/order/")

    def status(reader: Reader) -> int:
        return (reader.browser.post if posts else reader.browser.get)(target).status_code

    assert status(marie) == 404
    assert status(anna) in (200, 302)
    if route.startswith("/api/"):
        assert marie.partner.get(target)[0] == 404
        assert anna.partner.get(target)[0] == 200


@pytest.mark.usefixtures("blocked")
def test_no_list_names_it(venue: Any, anna: Reader, marie: Reader) -> None:
    for page in ("markets", "trade_default", "portfolio"):
        assert (
            f"/buy/{SYMBOL}/" not in marie.browser.get(reverse(page), follow=True).content.decode()
        )
    assert f'"/trade/{SYMBOL}/"' not in marie.browser.get(reverse("portfolio")).content.decode()
    assert f"/buy/{SYMBOL}/" in anna.browser.get(reverse("markets")).content.decode()
    assert marie.partner.get("/api/v1/listings/") == (200, [])
    assert [row["symbol"] for row in anna.partner.get("/api/v1/listings/")[1]] == [SYMBOL]


@pytest.mark.usefixtures("blocked")
def test_no_order_is_placed_by_the_partner_api(
    venue: Any, engine: Any, anna: Reader, marie: Reader
) -> None:
    for side in ("buy", "sell"):
        body = LIMIT_BUY | {"listing": SYMBOL, "side": side}
        answer = marie.partner.post("/api/v1/orders/", body)
        assert (answer[0], answer[1]["code"]) == (404, "not_found")
        assert marie.partner.get(f"/api/v1/orders/?listing={SYMBOL}")[0] == 404

    assert anna.partner.post("/api/v1/orders/", LIMIT_BUY | {"listing": SYMBOL})[0] == 201
    assert not Order.objects.filter(investor_id=marie.investor_id).exists()


@pytest.mark.usefixtures("blocked")
@pytest.mark.parametrize("name", [SYMBOL, "aaplxusdc", "AAPLx/USDC", "AAPLX/USDC"])
def test_no_pair_is_there_for_a_kraken_client(
    venue: Any, anna: Reader, marie: Reader, name: str
) -> None:
    for method in sorted(public.METHODS.keys() - WITHOUT_A_PAIR - {"Assets"}):
        assert marie.public(method, pair=name)[0] == ["EQuery:Unknown asset pair"], method
        assert anna.public(method, pair=name)[0] == [], method


@pytest.mark.usefixtures("blocked")
def test_no_list_of_a_kraken_client_names_it(venue: Any, anna: Reader, marie: Reader) -> None:
    for method in ("AssetPairs", "Ticker"):
        assert marie.public(method) == ([], {})
        assert list(anna.public(method)[1]) == [SYMBOL]
    assert "AAPLx" not in marie.public("Assets")[1]
    assert "AAPLx" in anna.public("Assets")[1]
    assert marie.public("Assets", asset="AAPLx")[0] == ["EQuery:Unknown asset"]


@pytest.mark.usefixtures("blocked")
@pytest.mark.parametrize("validate", ["true", "false"])
def test_no_order_is_placed_by_a_kraken_client(
    venue: Any, engine: Any, anna: Reader, marie: Reader, validate: str
) -> None:
    order = {
        "pair": SYMBOL, "type": "buy", "ordertype": "limit", "volume": "1", "price": "100",
        "validate": validate,
    }  # fmt: skip

    assert marie.kraken.private("AddOrder", **order)[0] == ["EQuery:Unknown asset pair"]
    assert anna.kraken.private("AddOrder", **order)[0] == []
    assert not Order.objects.filter(investor_id=marie.investor_id).exists()


async def socket_of(reader: Reader) -> Any:
    """A socket that has authenticated with a key of this reader."""
    connection = socket()
    await connection.connect()
    stamp, nonce = str(int(time.time())), str(next(reader.partner.nonces))
    payload = api_keys.native_payload(
        timestamp=stamp, nonce=nonce, method="WS", target="/ws/v1", body=b""
    )
    digest = hmac.new(base64.b64decode(reader.partner.secret), payload, hashlib.sha256)
    answer = await ask(
        connection, type="authenticate", key=reader.partner.key, timestamp=stamp, nonce=nonce,
        signature=digest.hexdigest(),
    )  # fmt: skip
    assert answer["type"] == "authenticated"
    return connection


@pytest.mark.usefixtures("blocked")
@pytest.mark.parametrize("name", [*SPELLINGS, "AAPLx/USDC"])
async def test_the_socket_neither_shows_nor_trades_it(
    venue: Any, engine: Any, anna: Reader, marie: Reader, name: str
) -> None:
    hers, annas = await socket_of(marie), await socket_of(anna)
    messages = [{"type": "subscribe", "channel": each} for each in ("book", "trades", "ticker")]
    messages += [{"type": "place_order", **LIMIT_BUY}]
    messages += [{"type": "place_order", **LIMIT_BUY, "side": "sell", "price": "120"}]

    for message in messages:
        answer = await ask(hers, **message, listing=name)
        assert (answer["type"], answer["code"]) == ("refused", "not_found")
        wanted = "order" if message["type"] == "place_order" else "snapshot"
        await annas.send_json_to({**message, "listing": name})
        assert (await next_of(annas, type=wanted))["type"] == wanted
    # Every ticker there is: none.
    await hers.send_json_to({"type": "subscribe", "channel": "ticker", "listing": "*"})
    assert (await ask(hers, type="ping"))["type"] == "pong"
    exists = Order.objects.filter(investor_id=marie.investor_id).exists
    assert not await sync_to_async(exists)()
    await hers.disconnect()
    await annas.disconnect()


def test_a_preview_made_before_the_block_buys_nothing(
    venue: Any, engine: Any, marie: Reader
) -> None:
    token = signing.dumps([marie.investor_id, SYMBOL, 100 * USD, 100 * USD], salt=SALT)
    block_listing(venue)

    marie.browser.post(reverse("buy_confirm", args=[SYMBOL]), {"token": token})

    assert not Order.objects.filter(
        investor_id=marie.investor_id, status__in=["open", "filled"]
    ).exists()


def test_the_engine_itself_refuses_the_buy_whoever_let_it_through(
    venue: Any, engine: Any, marie: Reader
) -> None:
    block_listing(venue)

    with pytest.raises(SellOnly):
        order_entry.place_sync(venue.order(marie.investor_id, "buy", quantity=1, price=100))
