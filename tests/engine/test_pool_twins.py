"""The fast pool against its obvious twin: every order type, flag and command on orders.

After each step both agree on the book, on who waits for which price, on every order's
state and sums, on what is held; cash (with the fees) and tokens stay what they were;
and a batch that is undone leaves no trace.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.ids import uuid7
from tests.engine.pool_twins import INVESTORS, PoolTwins
from trading.commands import PlaceOrder, PlacePair
from trading.engine.book import BookOrder

USD, TOKEN = 1_000_000, 10**8
prices = st.integers(94, 106).map(lambda usd: usd * USD)
sizes = st.integers(1, 30).map(lambda n: n * TOKEN // 2)
preventions = st.sampled_from(["cancel_newest", "cancel_oldest", "cancel_both", "decrement"])
sources = st.sampled_from(["last", "last", "index"])
lasting = st.sampled_from(["gtc", "gtc", "gtd", "day"])
displays = st.none() | st.integers(1, 6).map(lambda n: n * TOKEN // 2)
who = {"investor_id": st.sampled_from(INVESTORS), "side": st.sampled_from(["buy", "sell"])}
closes = {
    "close_take_profit_units": st.none() | prices,
    "close_stop_loss_units": st.none() | prices,
}
limits = st.fixed_dictionaries(
    {
        **who,
        "type": st.just("limit"),
        "price_units": prices,
        "quantity_units": sizes,
        "time_in_force": lasting,
        "post_only": st.booleans(),
        "display_units": displays,
        "self_trade_prevention": preventions,
        "reduce_only": st.booleans(),
        **closes,
    }
)
at_once = st.fixed_dictionaries(
    {
        **who,
        "type": st.sampled_from(["limit", "market"]),
        "price_units": prices,
        "amount": st.one_of(
            sizes.map(lambda units: {"quantity_units": units}),
            st.integers(1, 2_000).map(lambda usd: {"cash_units": usd * USD}),
        ),
        "time_in_force": st.sampled_from(["gtc", "ioc", "fok"]),
        "self_trade_prevention": preventions,
        **closes,
    }
)
triggers = st.fixed_dictionaries(
    {
        **who,
        "type": st.sampled_from(
            ["stop_loss", "stop_loss_limit", "take_profit", "take_profit_limit"]
        ),
        "trigger_price_units": prices,
        "price_units": prices,
        "quantity_units": sizes,
        "trigger_by": sources,
        "time_in_force": lasting,
        "self_trade_prevention": preventions,
        "reduce_only": st.booleans(),
    }
)
trails = st.fixed_dictionaries(
    {
        **who,
        "type": st.sampled_from(["trailing_stop", "trailing_stop_limit"]),
        "trail": st.one_of(
            st.integers(1, 5).map(lambda usd: {"trail_units": usd * USD}),
            st.integers(1, 80_000).map(lambda e6: {"trail_e6": e6}),
        ),
        "limit_offset_units": st.integers(-2, 2).map(lambda usd: usd * USD),
        "quantity_units": sizes,
        "trigger_by": sources,
        "time_in_force": lasting,
        "reduce_only": st.booleans(),
    }
)
orders = st.one_of(limits, limits, at_once, triggers, trails)
picks = st.integers(0, 30)


class Pools(RuleBasedStateMachine):
    """Any order of commands, prices and moments; both pools are compared after each."""

    def __init__(self) -> None:
        super().__init__()
        self.twins = PoolTwins()

    def command(self, drawn: dict[str, Any]) -> PlaceOrder:
        """What was drawn, with no more than its type may name."""
        fields = dict(drawn)
        fields |= fields.pop("amount", {}) | fields.pop("trail", {})
        if fields["type"] in ("market", "stop_loss", "take_profit"):
            fields.pop("price_units", None)
        if fields["type"] != "trailing_stop_limit":
            fields.pop("limit_offset_units", None)
        if fields["side"] == "buy":
            fields.pop("reduce_only", None)
        if fields.get("display_units"):
            fields["display_units"] = min(fields["display_units"], fields["quantity_units"])
        if fields["time_in_force"] == "gtd":
            fields["expires_at"] = self.twins.effects.now + 60
        return PlaceOrder(listing="AAPLxUSDC", id=uuid7(), **fields)

    def pick(self, index: int) -> BookOrder | None:
        live = self.twins.live()
        return live[index % len(live)] if live else None

    @rule(drawn=st.lists(orders, min_size=1, max_size=4))
    def place(self, drawn: list[dict[str, Any]]) -> None:
        for each in drawn:
            self.twins.place(self.command(each))
            self.twins.compare()

    @rule(first=st.one_of(limits, triggers), second=st.one_of(triggers, trails))
    def pair(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        same = {name: first[name] for name in ("investor_id", "side", "quantity_units")}
        none = {
            "reduce_only": False,
            **({"display_units": None} if "display_units" in first else {}),
        }
        first = {name: value for name, value in first.items() if not name.startswith("close")}
        pair = [
            self.command({**first, **none}),
            self.command({**second, **same, "reduce_only": False}),
        ]
        self.twins.pair(PlacePair(first=pair[0], second=pair[1]))

    @rule(index=picks, drawn=orders)
    def replace(self, index: int, drawn: dict[str, Any]) -> None:
        old = self.pick(index)
        if old is not None and (old.terms is None or old.terms.link_id is None):
            same = {"investor_id": old.investor_id, "side": "buy" if old.is_buy else "sell"}
            self.twins.replace(old, self.command({**drawn, **same}))

    @rule(index=picks, quantity=sizes, display=displays)
    def amend_size(self, index: int, quantity: int, display: int | None) -> None:
        if order := self.pick(index):
            self.twins.amend(order, quantity_units=quantity, display_units=display)

    @rule(index=picks, price=prices, post_only=st.none() | st.booleans())
    def amend_price(self, index: int, price: int, post_only: bool | None) -> None:
        if order := self.pick(index):
            self.twins.amend(order, price_units=price, post_only=post_only)

    @rule(index=picks, trigger=prices)
    def amend_trigger(self, index: int, trigger: int) -> None:
        if order := self.pick(index):
            self.twins.amend(order, trigger_price_units=trigger)

    @rule(index=picks)
    def cancel(self, index: int) -> None:
        if order := self.pick(index):
            self.twins.cancel(order)

    @rule(investor=st.sampled_from(INVESTORS))
    def cancel_all(self, investor: int) -> None:
        self.twins.cancel_all(investor)

    @rule(investor=st.sampled_from(INVESTORS), seconds=st.sampled_from([0, 50, 90]))
    def wind_up(self, investor: int, seconds: int) -> None:
        self.twins.wind_up(investor, seconds)

    @rule(price=prices)
    def set_reference(self, price: int) -> None:
        self.twins.set_reference(price)

    @rule(seconds=st.sampled_from([1.0, 40.0, 120.0]))
    def advance(self, seconds: float) -> None:
        self.twins.advance(seconds)

    @rule()
    def commit(self) -> None:
        self.twins.commit()

    @rule()
    def undo(self) -> None:
        self.twins.go_back()

    @invariant()
    def agree(self) -> None:
        self.twins.compare()


Pools.TestCase.settings = settings(max_examples=120, stateful_step_count=20, deadline=None)
test_the_fast_pool_does_what_the_obvious_one_does = Pools.TestCase
