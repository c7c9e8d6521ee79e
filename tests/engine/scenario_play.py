"""Playing the scenarios of tests/engine/scenarios: see README.txt there for the words.

Each step is a batch of the engine's own pool. After each, cash and tokens are counted:
nothing may appear or vanish, and what is held must belong to live orders.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.desk import CASH_ID, TOKEN, TOKEN_ID, USD
from tests.engine.guarded import GuardedDesk
from trading import batches
from trading.batches import Batch
from trading.commands import (
    AmendOrder,
    Answer,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    Envelope,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine.book import BookOrder, shown
from trading.engine.effects import Effects
from trading.engine.market import Eligibility, Funds
from trading.order_views import view_of
from trading.recent import Recent

FLAGS = {
    "post-only": {"post_only": True},
    "reduce-only": {"reduce_only": True},
    "validate-only": {"validate_only": True},
    **{force: {"time_in_force": force} for force in ("ioc", "fok", "day")},
}
PREVENTIONS = ("cancel_newest", "cancel_oldest", "cancel_both", "decrement")
PRICES = {
    "limit": "price_units",
    "trigger": "trigger_price_units",
    "trail": "trail_units",
    "offset": "limit_offset_units",
    "take-profit": "close_take_profit_units",
    "stop-loss": "close_stop_loss_units",
}
QUANTITIES = {"quantity": "quantity_units", "show": "display_units"}
TYPES = ("market", "stop_loss", "take_profit", "trailing_stop")


def usd(text: str) -> int:
    return round(float(text) * USD)


def tokens(text: str) -> int:
    return round(float(text) * TOKEN)


@dataclass
class Scenario:
    """One file: a title, and its lines by section."""

    title: str
    sections: dict[str, list[str]] = field(default_factory=dict)


def read(path: Path) -> Scenario:
    title, *rest = path.read_text().splitlines()
    scenario = Scenario(title.lstrip("# "))
    section: list[str] = []
    for line in rest:
        text = line.split("#")[0].strip()
        if text in ("GIVEN", "WHEN", "THEN"):
            section = scenario.sections.setdefault(text, [])
        elif text:
            section.append(text)
    return scenario


class Play:
    """A venue with one listing, on which a scenario's lines are played."""

    def __init__(self, scenario: Scenario) -> None:
        given = scenario.sections["GIVEN"]
        rules: dict[str, Any] = {"maker_fee_e6": 0, "taker_fee_e6": 0}
        for line in given:
            if found := re.fullmatch(r"fees maker (\S+)% taker (\S+)%", line):
                rules["maker_fee_e6"], rules["taker_fee_e6"] = (
                    round(float(rate) * 10_000) for rate in found.groups()
                )
        self.desk = GuardedDesk(**rules)
        self.desk.pool.funds.clear()
        self.desk.pool.eligibility.clear()
        self.people: dict[str, int] = {}
        self.ids: dict[str, UUID] = {}
        self.orders: dict[UUID, BookOrder] = {}
        self.trades: list[tuple[int, int]] = []
        self.fees = 0
        self._recent = Recent()
        for line in given:
            if not line.startswith("fees "):
                self._admit(line)
        self.total = self._count()

    def _admit(self, line: str) -> None:
        name, *words = line.split()
        number = self.people[name] = len(self.people) + 1
        group = number
        if "same-owner-as" in words:
            group = self.people[words[words.index("same-owner-as") + 1]]
        self.desk.pool.eligibility[number] = Eligibility(
            number, UUID(int=group), True, True, "DE", frozenset(["AAPLx"])
        )
        amounts = dict(zip(words[1::2], words[::2], strict=False))
        for asset_id, units in (
            (CASH_ID, usd(amounts.get("USDC", "0"))),
            (TOKEN_ID, tokens(amounts.get("TOKEN", "0"))),
        ):
            self.desk.pool.funds[number, asset_id] = Funds(number, asset_id, units, account_id=1)

    def _count(self) -> tuple[int, int]:
        funds = self.desk.pool.funds.values()
        cash = sum(each.posted for each in funds if each.asset_id == CASH_ID)
        return cash + self.fees, sum(each.posted for each in funds if each.asset_id == TOKEN_ID)

    # WHEN

    def step(self, line: str) -> None:
        """One line: something happens, and what the sender is told is as written."""
        done, _, expected = (part.strip() for part in line.partition("->"))
        verb, *words = done.split()
        if verb in ("wait", "price", "share"):
            self._turn(verb, words[0])
            phase = self.desk.phase
            assert phase.startswith(expected), f"{line!r}: the listing is in phase {phase!r}"
        elif verb == "listing":
            self._set_state(words[0])
        else:
            answer = self._batch([self._command(self.people[verb], words)])
            told = f"refused {answer.code}" if answer.code else self._told(answer)
            assert told.startswith(expected), f"{line!r}: told {told!r}"

    def _turn(self, verb: str, word: str) -> None:
        """Time, or the world outside, has moved on."""
        if verb == "price":
            self.desk.price = float(word)
        elif verb == "share":
            self.desk.halt = "T1" if word == "halted" else ""
        self._batch([], seconds=float(word) if verb == "wait" else 0.0)

    def _told(self, answer: Answer) -> str:
        if answer.order is None:
            return "done " + " ".join(f"{k}={v}" for k, v in answer.details.items())
        return f"{answer.order.status} {answer.order.reason}"

    def _set_state(self, state: str) -> None:
        effects = self._effects()
        rules = {**_fields(self.desk.market.rules), "state": state}
        self.desk.pool.set_rules(type(self.desk.market.rules)(**rules), effects)
        self._finish(effects)

    def _effects(self) -> Effects:
        self.desk.now += 1
        return self.desk.batch()

    def _batch(self, commands: list[Command], seconds: float = 0.0) -> Answer:
        self.desk.now += seconds
        effects = self._effects()
        envelopes = [Envelope(command, effects.now + 5, "desk") for command in commands]
        batch = Batch(effects, envelopes, {})
        batches.run(self.desk.pool, batch, self._recent)
        self._finish(effects)
        if batch.answered_orders:
            return self._view(*batch.answered_orders[0][1:])
        return batch.answers[0][1] if batch.answers else Answer(UUID(int=0))

    def _view(self, command_id: UUID, order: BookOrder) -> Answer:
        now = datetime.fromtimestamp(self.desk.now, UTC)
        return Answer(command_id, view_of(order, self.desk.market, self.desk.batch_no, now))

    def _finish(self, effects: Effects) -> None:
        effects.close_books()
        self.orders |= effects.new
        for order in effects.new.values():
            self._name_close(order)
        for record in effects.trades:
            self.trades.append((record.execution.price, record.execution.quantity))
            self.fees += record.execution.maker_fee + record.execution.taker_fee
        self.desk.pool.check_invariants()
        assert self._count() == self.total, "cash and tokens are conserved"

    def _name_close(self, order: BookOrder) -> None:
        """The orders that close `a` are called a.take_profit and a.stop_loss."""
        parent = order.terms.parent_id if order.terms is not None else None
        for name, id in list(self.ids.items()):
            if parent is not None and id == parent:
                self.ids[f"{name}.{order.type}"] = order.id

    def _command(self, investor: int, words: list[str]) -> Command:
        command: Command
        match words:
            case ["cancel", name]:
                command = CancelOrder(investor_id=investor, order_id=self.ids[name])
            case ["cancel-all"]:
                command = CancelAll(investor_id=investor)
            case ["cancel-all-after", seconds]:
                command = CancelAllAfter(investor_id=investor, timeout_seconds=int(seconds))
            case ["amend", name, *rest]:
                fields = self._fields(rest)
                command = AmendOrder(investor_id=investor, order_id=self.ids[name], **fields)
            case ["replace", name, *rest]:
                old, order = self.ids[name], self._order(investor, rest)
                command = ReplaceOrder(investor_id=investor, order_id=old, order=order)
            case ["pair", *rest]:
                middle = rest.index("and")
                legs = rest[:middle], rest[middle + 1 :]
                first, second = (self._order(investor, leg) for leg in legs)
                command = PlacePair(first=first, second=second)
            case _:
                command = self._order(investor, words)
        return command

    def _order(self, investor: int, words: list[str]) -> PlaceOrder:
        side, amount, *rest = words
        name = ""
        if "as" in rest:
            name = rest[rest.index("as") + 1]
            rest = rest[: rest.index("as")]
        fields = self._fields(rest)
        if amount.startswith("$"):
            fields["cash_units"] = usd(amount[1:])
        else:
            fields["quantity_units"] = tokens(amount)
        fields["type"] = _type(rest, fields)
        order = PlaceOrder(listing="AAPLxUSDC", investor_id=investor, side=side, **fields)
        self.ids[name] = order.id
        return order

    def _fields(self, words: list[str]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for word in words:
            key, _, value = word.partition("=")
            if word in FLAGS:
                fields |= FLAGS[word]
            elif word in PREVENTIONS:
                fields["self_trade_prevention"] = word
            elif key == "trail" and value.endswith("%"):
                fields["trail_e6"] = round(float(value[:-1]) * 10_000)
            elif key in PRICES:
                fields[PRICES[key]] = usd(value)
            elif key in QUANTITIES:
                fields[QUANTITIES[key]] = tokens(value)
            elif key == "until":
                until = self.desk.now + float(value)
                fields |= {"time_in_force": "gtd", "expires_at": until}
            elif key == "watch":
                fields["trigger_by"] = value
            else:
                assert word in TYPES, f"unknown word {word!r}"
        return fields

    # THEN

    def check(self, line: str) -> None:
        """One line of the end: trades, a side of the book, a queue, a balance, an order."""
        what, *words = line.split()
        if what == "trades":
            found = [_at(units, price) for price, units in self.trades]
        elif what in ("bids", "asks"):
            found = [_at(level.quantity, level.price) for level in self._side(what)]
        elif what == "queue":
            found = [words[0], *self._queue(usd(words[0]))]
        elif what in self.people:
            found = self._balance(self.people[what], words)
        else:
            found = self._order_words(self.orders[self.ids[what]], len(words))
        assert (found or ["none"]) == words, f"{line!r}: found {' '.join(found) or 'none'}"

    def _side(self, name: str) -> Any:
        book = self.desk.market.book
        return book.bids if name == "bids" else book.asks

    def _queue(self, price: int) -> list[str]:
        names = {id: name for name, id in self.ids.items()}
        sides = (self._side("bids"), self._side("asks"))
        levels = [level for side in sides for level in side if level.price == price]
        orders = [order for level in levels for order in level]
        return [f"{names.get(order.id, '?')}:{_number(shown(order), TOKEN)}" for order in orders]

    def _balance(self, investor: int, words: list[str]) -> list[str]:
        found = []
        for asset, asset_id, whole in (("USDC", CASH_ID, USD), ("TOKEN", TOKEN_ID, TOKEN)):
            funds = self.desk.pool.funds.get((investor, asset_id))
            if asset not in words or funds is None:
                continue
            found += [_number(funds.posted, whole), asset]
            if funds.held:
                found += ["held", _number(funds.held, whole)]
        return found

    def _order_words(self, order: BookOrder, count: int) -> list[str]:
        words = [order.status]
        if count > 1:
            words += ["filled", _number(order.filled, TOKEN)]
        if count > 3:
            words.append(order.reason)
        return words


def _fields(rules: Any) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in rules.__dataclass_fields__}


def _type(words: list[str], fields: dict[str, Any]) -> str:
    kind = next((word for word in words if word in TYPES), "limit")
    is_limit = "price_units" in fields or "limit_offset_units" in fields
    return f"{kind}_limit" if kind not in ("market", "limit") and is_limit else kind


def _number(units: int, whole: int) -> str:
    text = f"{units / whole:.8f}".rstrip("0").rstrip(".")
    return text or "0"


def _at(units: int, price: int) -> str:
    return f"{_number(units, TOKEN)}@{_number(price, USD)}"
