"""The custodian broker: Alpaca's Broker API over HTTP, one account of ours.

It holds the real shares. Orders carry our id as `client_order_id`, which the
broker takes once, so an order whose answer got lost is asked for by that id
and never sent twice. Shares are integers of 1e-9, dollars of 1e-6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from django.conf import settings

from custody.gateways.tls import tls_context
from kernel import faults
from kernel.gateways import GatewaySilent, GatewayUnavailable
from kernel.money import MalformedAmount, ceil_div, floor_div, format_units, parse_units
from kernel.refusals import Refusal

PARTY = "custodian"
TIMEOUT_SECONDS = 10.0
SHARE_DECIMALS = 9
USD_DECIMALS = 6
PRICE_DECIMALS = 12
NEW_YORK = ZoneInfo("America/New_York")
# Trades older than this have settled in every calendar (T+1 over long holidays).
SETTLEMENT_DAYS_MAX = 10
ENDED_UNFILLED = frozenset({"rejected", "canceled", "expired", "suspended", "stopped"})
DUPLICATE_CLIENT_ORDER_ID = 40010001
NOT_AUTHORIZED = 40110000
TAKES_NO_QUESTIONS = frozenset({401, 407, 408, 425, 429, 503})


class CustodianRefused(Refusal):
    """The custodian said no."""

    code = "custodian_refused"


@dataclass(frozen=True, slots=True)
class Order:
    """An order at the custodian; cash is what the fill cost or brought, in micro-dollars."""

    custodian_id: str
    status: str
    filled_units: int
    price_e12: int | None  # an average of several fills has more than six decimals
    filled_at: datetime | None
    ended_at: datetime | None
    reason: str

    @property
    def is_filled(self) -> bool:
        return self.status == "filled"

    @property
    def has_ended_unfilled(self) -> bool:
        return self.status in ENDED_UNFILLED

    @property
    def price_micros(self) -> int | None:
        """Micro-dollars a share, to show; cash is counted from the whole price."""
        if self.price_e12 is None:
            return None
        return floor_div(self.price_e12, 10 ** (PRICE_DECIMALS - USD_DECIMALS))

    def cash_micros(self, side: str) -> int:
        """Cost of a buy rounded up, proceeds of a sale rounded down."""
        assert self.price_e12 is not None
        product = self.filled_units * self.price_e12
        divide = ceil_div if side == "buy" else floor_div
        return divide(product, 10 ** (SHARE_DECIMALS + PRICE_DECIMALS - USD_DECIMALS))


@dataclass(frozen=True, slots=True)
class Settlement:
    """The day on which a trade settles, and the instant from which it counts as settled."""

    on: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of one symbol as the custodian reports them."""

    settled_units: int
    unsettled_units: int  # bought and not yet delivered to us


class AlpacaCustodian:
    """The broker's HTTP API for the one account that holds our shares."""

    def __init__(
        self, url: str, key: str, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._client = httpx.Client(
            base_url=url, auth=(key, secret), timeout=timeout_seconds, verify=tls_context()
        )
        self._account_id = ""

    @classmethod
    def from_settings(cls) -> "AlpacaCustodian":
        env = settings.ENV
        return cls(
            env.server("custodian_url"),
            env.server("custodian_key"),
            env.server("custodian_secret"),
        )

    def __enter__(self) -> "AlpacaCustodian":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    # --- orders -----------------------------------------------------------------

    def place(self, *, client_order_id: UUID, symbol: str, side: str, units: int) -> Order:
        """A market order for the day; the same id again answers the first order.

        :raises CustodianRefused: not covered by cash or shares, or not tradable.
        """
        body = {
            "symbol": symbol,
            "side": side,
            "qty": format_units(units, SHARE_DECIMALS),
            "type": "market",
            "time_in_force": "day",
            "client_order_id": str(client_order_id),
        }
        faults.reach("custodian.before_order")
        response = self._request("POST", self._trading("orders"), json=body)
        faults.reach("custodian.after_order")
        if response.status_code == 422 and _code(response) == DUPLICATE_CLIENT_ORDER_ID:
            return self._get_placed(client_order_id)
        _refuse_if_refused(response)
        return _order(_json(response))

    def find(self, *, client_order_id: UUID) -> Order | None:
        """The order with our id; None when the custodian has never seen it."""
        params = {"client_order_id": str(client_order_id)}
        path = self._trading("orders:by_client_order_id")
        response = self._request("GET", path, params=params)
        if response.status_code == 404:
            return None
        _refuse_if_refused(response)
        return _order(_json(response))

    def settlement_of(self, traded_at: datetime) -> Settlement:
        """When a trade of that instant settles, by the custodian's calendar."""
        traded = traded_at.astimezone(NEW_YORK).date()
        days = self._calendar(traded, traded + timedelta(days=SETTLEMENT_DAYS_MAX))
        return _settlement(traded, days)

    # --- what is there ----------------------------------------------------------

    def shares(self, *, now: datetime) -> dict[str, Shares]:
        """Settled and unsettled shares by symbol, as reported at `now`.

        Positions count trades at once; what of them has not settled is read from
        the fills and the calendar. A sale leaves the position at once as well.
        """
        positions = {
            row["symbol"]: _signed_units(row["qty"], SHARE_DECIMALS)
            for row in self._get(self._trading("positions"))
        }
        unsettled = self._unsettled(now)
        return {
            symbol: Shares(units - unsettled.get(symbol, 0), unsettled.get(symbol, 0))
            for symbol, units in positions.items()
        }

    def cash_micros(self) -> int:
        """Dollars in the account, trade-date; negative when the broker has lent us some."""
        return _signed_units(self._get(self._trading("account"))["cash"], USD_DECIMALS)

    # --- money and shares in ----------------------------------------------------

    def wire_in(self, *, micros: int, note: str) -> None:
        """Tell the custodian of incoming dollars; the same note again does nothing."""
        path = f"/v1/accounts/{self._account()}/transfers"
        if any(row.get("additional_information") == note for row in self._get(path)):
            return
        body = {
            "transfer_type": "wire",
            "direction": "INCOMING",
            "amount": format_units(micros, USD_DECIMALS),
            "additional_information": note,
        }
        _refuse_if_refused(self._request("POST", path, json=body))

    def receive_shares(self, *, symbol: str, units: int, note: str) -> None:
        """Free delivery of shares from the firm's account, settled at once; once a note."""
        if any(row.get("description") == note for row in self._get("/v1/journals")):
            return
        body = {
            "entry_type": "JNLS",
            "to_account": self._account(),
            "symbol": symbol,
            "qty": format_units(units, SHARE_DECIMALS),
            "description": note,
        }
        _refuse_if_refused(self._request("POST", "/v1/journals", json=body))

    # --- inside -----------------------------------------------------------------

    def _unsettled(self, now: datetime) -> dict[str, int]:
        """Bought shares per symbol whose settlement is still to come."""
        since = now - timedelta(days=SETTLEMENT_DAYS_MAX)
        params = {"account_id": self._account(), "after": since.isoformat()}
        fills = [
            row
            for row in self._get("/v1/accounts/activities/FILL", params=params)
            if row["side"] == "buy" and _instant(row["transaction_time"]) > since
        ]
        if not fills:
            return {}
        days = self._calendar(since.date(), now.date() + timedelta(days=1))
        unsettled: dict[str, int] = {}
        for row in fills:
            traded = _instant(row["transaction_time"]).astimezone(NEW_YORK).date()
            if _settlement(traded, days).at > now:
                units = _units(row["qty"], SHARE_DECIMALS)
                unsettled[row["symbol"]] = unsettled.get(row["symbol"], 0) + units
        return unsettled

    def _calendar(self, start: date, end: date) -> Sequence[dict[str, Any]]:
        # The settlement day's own hours are needed as well: it may be past `end`.
        until = end + timedelta(days=SETTLEMENT_DAYS_MAX)
        params = {"start": start.isoformat(), "end": until.isoformat()}
        days: Sequence[dict[str, Any]] = self._get("/v1/calendar", params=params)
        return days

    def _get_placed(self, client_order_id: UUID) -> Order:
        placed = self.find(client_order_id=client_order_id)
        if placed is None:
            raise GatewayUnavailable(PARTY, f"knows {client_order_id} and does not find it")
        return placed

    def _account(self) -> str:
        if not self._account_id:
            accounts = self._get("/v1/accounts")
            active = [row["id"] for row in accounts if row["status"] == "ACTIVE"]
            if len(active) != 1:
                raise GatewayUnavailable(PARTY, f"has {len(active)} active accounts, not one")
            self._account_id = str(active[0])
        return self._account_id

    def _trading(self, what: str) -> str:
        return f"/v1/trading/accounts/{self._account()}/{what}"

    def _get(self, path: str, params: dict[str, str] | None = None) -> Any:
        response = self._request("GET", path, params=params)
        _refuse_if_refused(response)
        return _json(response)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise GatewaySilent(PARTY, f"{path}: {error!r}") from error
        # Its own faults, too many requests and keys it does not take say nothing of an order.
        if response.status_code in TAKES_NO_QUESTIONS:
            raise GatewaySilent(PARTY, f"{path}: HTTP {response.status_code}")
        if response.status_code == 403 and _code(response) == NOT_AUTHORIZED:
            raise GatewaySilent(PARTY, f"{path}: our keys are not authorized")
        if response.status_code >= 500:
            raise GatewayUnavailable(PARTY, f"{path}: HTTP {response.status_code}")
        return response


def _order(body: dict[str, Any]) -> Order:
    price = body["filled_avg_price"]
    ends = (body.get(name) for name in ("filled_at", "canceled_at", "expired_at", "failed_at"))
    ended_at = next((text for text in ends if text), None)
    filled_at = body["filled_at"]
    filled_units = _units(body["filled_qty"], SHARE_DECIMALS)
    if (filled_units and price is None) or (body["status"] == "filled" and not filled_units):
        raise GatewayUnavailable(PARTY, f"says that {filled_units} units were filled at {price}")
    return Order(
        custodian_id=str(body["id"]),
        status=str(body["status"]),
        filled_units=filled_units,
        price_e12=None if price is None else _units(price, PRICE_DECIMALS),
        filled_at=None if filled_at is None else _instant(filled_at),
        ended_at=None if ended_at is None else _instant(ended_at),
        reason=str(body.get("reject_reason") or body["status"]),
    )


def _settlement(traded: date, days: Sequence[dict[str, Any]]) -> Settlement:
    """Settled from the opening of the settlement date on."""
    by_date = {row["date"]: row for row in days}
    on = by_date.get(traded.isoformat(), {}).get("settlement_date")
    if on is None or on not in by_date:
        raise GatewayUnavailable(PARTY, f"its calendar does not settle {traded}")
    hour, minute = by_date[on]["open"].split(":")
    local = datetime.combine(date.fromisoformat(on), time(int(hour), int(minute)), NEW_YORK)
    return Settlement(local.date(), local.astimezone(UTC))


def _units(text: object, decimals: int) -> int:
    try:
        return parse_units(str(text), decimals)
    except MalformedAmount as error:
        raise GatewayUnavailable(PARTY, f"wrote the amount {text!r}") from error


def _signed_units(text: object, decimals: int) -> int:
    digits = str(text)
    return -_units(digits[1:], decimals) if digits.startswith("-") else _units(digits, decimals)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise GatewayUnavailable(PARTY, "did not answer in JSON") from error


def _code(response: httpx.Response) -> int:
    body = _json(response)
    return int(body.get("code", 0)) if isinstance(body, dict) else 0


def _refuse_if_refused(response: httpx.Response) -> None:
    if response.status_code < 400:
        return
    body = _json(response)
    said = body.get("message", "") if isinstance(body, dict) else ""
    raise CustodianRefused(f"The custodian refused: {said} (HTTP {response.status_code})")
