"""Prints a digest of what batches of random commands, of every kind, would write and tell.

A process of its own, with `compiled` or without: it must print the same.
"""

import hashlib
import random
import sys
from itertools import count
from typing import Any
from uuid import UUID

from bourse import native
from kernel import ids

_numbers = count(1)
# Before anybody imports it, so that both processes number all things alike.
ids.uuid7 = lambda: UUID(int=(0x7 << 76) | (0x2 << 62) | (next(_numbers) * 1_000_003))
if sys.argv[1:] == ["compiled"]:
    assert native.install()

from custody import ledger_core  # noqa: E402
from tests.desk import ALICE, BOB, CAROL, Desk  # noqa: E402
from tests.engine.order_words import order  # noqa: E402
from trading import batch_news, batches, intake, publishing, records  # noqa: E402
from trading.batches import Batch  # noqa: E402
from trading.commands import (  # noqa: E402
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    Envelope,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine.effects import Effects, Transfer  # noqa: E402
from trading.recent import Recent  # noqa: E402

BATCHES, COMMANDS = 10, 150
TOKEN = 10**8
NAMES = [None, None, None, "plain", 'a "quoted" \\ one', "ü,{}"]


def main() -> None:
    for module in (ledger_core, records, batches, batch_news, intake):
        is_compiled = str(module.__file__).endswith(native.SUFFIX)
        assert is_compiled is (sys.argv[1:] == ["compiled"]), module
    rng, desk, recent = random.Random(5), Desk(), Recent()
    house, block = _house(desk), ledger_core.IdBlock()
    block.reserve(_Sequence(), BATCHES * COMMANDS * 10)
    digest, trades = hashlib.sha256(), 0
    placed: list[PlaceOrder] = []
    for number in range(1, BATCHES + 1):
        effects = Effects(number, 1_800_000_000.0 + number)
        commands = [_command(rng, placed) for _ in range(COMMANDS)]
        deadlines = [effects.now + rng.choice([5, 5, 5, 5, -1]) for _ in commands]
        batch = Batch(
            effects,
            [
                Envelope(command, deadline, f"answers:{at % 2}")
                for at, (command, deadline) in enumerate(zip(commands, deadlines, strict=True))
            ],
            {},
        )
        desk.pool.end_due(effects)
        batches.run(desk.pool, batch, recent)
        effects.close_books()
        recent.update(batch.taken, effects.now)
        recent.close([*effects.new.values(), *effects.changed.values()])
        funds = next(iter(desk.pool.funds.values()))
        effects.transfers += [
            Transfer(UUID(int=number), funds, 5, number % 2 == 0, refused)
            for refused in ("", "insufficient_funds")
        ]
        statements = records.Statements()
        records.write_batch(statements, effects, house, block, pool_id=1)
        mail = publishing.pack(1, desk.pool, batch)
        digest.update(repr((statements.queued, mail.messages)).encode())
        trades += len(effects.trades)
    print(trades, digest.hexdigest())


class _Sequence:
    """The database's, of blocks of ids."""

    def execute(self, query: Any, params: Any = (), /) -> None:
        self._count = params[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [(number,) for number in range(1, self._count + 1)]


def _house(desk: Desk) -> records.HouseAccounts:
    for number, funds in enumerate(desk.pool.funds.values(), 100):
        funds.account_id = number
    assets = {funds.asset_id for funds in desk.pool.funds.values()}
    return records.HouseAccounts(
        {asset: 10 + asset for asset in assets}, {asset: 50 + asset for asset in assets}
    )


def _command(rng: random.Random, placed: list[PlaceOrder]) -> Command:
    kind = rng.random()
    if placed and kind < 0.3:
        old = rng.choice(placed[-40:])
        named = {"investor_id": old.investor_id, "order_id": old.id}
        return rng.choice(
            [
                CancelOrder(**named),
                AmendOrder(**named, quantity_units=TOKEN // 2),
                ReplaceOrder(**named, order=_order(rng, old.investor_id)),
            ]
        )
    investor = rng.choice([ALICE, BOB, CAROL])
    if kind < 0.31:
        return rng.choice(
            [
                CancelAll(investor_id=investor),
                CancelAllAfter(investor_id=investor, timeout_seconds=3),
            ]
        )
    if kind < 0.35:
        legs = [
            order(investor, "sell", "limit", price=110),
            order(investor, "sell", "stop_loss", trigger_price=rng.randint(90, 99)),
        ]
        return PlacePair(first=legs[0], second=legs[1])
    if placed and kind < 0.37:
        return placed[-1]  # once more
    placed.append(_order(rng, investor))
    return placed[-1]


def _order(rng: random.Random, investor: int) -> PlaceOrder:
    side, price = rng.choice(["buy", "sell"]), rng.randint(97, 103)
    named: dict[str, Any] = {
        "client_order_id": rng.choice(NAMES),
        "user_ref": rng.choice([None, 7]),
    }
    kind = rng.random()
    if kind < 0.15:
        return order(investor, side, "market", rng.randint(1, 3), **named)
    if kind < 0.25:
        return order(investor, side, "stop_loss", trigger_price=price, **named)
    if kind < 0.35:
        named |= {"display_units": TOKEN, "self_trade_prevention": "decrement"}
    elif kind < 0.45:
        named |= {"time_in_force": "gtd", "expires_at": 1_800_000_000.5 + rng.randint(0, 20)}
    return order(investor, side, "limit", rng.randint(1, 5), price=price, **named)


if __name__ == "__main__":
    main()
