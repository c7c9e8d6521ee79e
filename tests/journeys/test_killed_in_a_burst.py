"""Everything is killed by -9 in the middle of trading, started again, and nothing is gone.

This is `manage.py up` as `make run` calls it, with its own servers and the
whole demo, in a var folder of its own.
"""

import asyncio
import random
import time
from typing import Any

from bourse.supervisor.launch import is_alive
from sandbox.partner import Disconnected, Key, Partner, Refused
from tests.customers import accept_disclosures, trading_key
from tests.house import House

SEED = 20_261_124
ORDERS_BEFORE_KILL = 150
LISTINGS = ("AAPLxUSDC", "MSFTxUSDC", "SPYxUSDC")


async def test_nothing_acknowledged_is_gone_after_kill_9_of_everything(house: House) -> None:
    run = house.start()
    assert (house.var / "run.json").stat().st_mode & 0o777 == 0o600
    key = trading_key(house, run["logins"][0]["email"])
    await accept_disclosures(run["web"], key, LISTINGS)

    acknowledged = await trade_until_killed(house, run["web"], key)
    again = house.start()

    assert again["web"] == run["web"]
    assert again["logins"] == run["logins"]
    found = await look_up(again["web"], key, acknowledged)
    assert len(acknowledged) >= ORDERS_BEFORE_KILL
    assert {order: view["side"] for order, view in found.items()} == acknowledged
    for command in ("verify_ledger", "verify_audit", "verify_reserves"):
        done = house.manage(command)
        assert done.returncode == 0, done.stdout + done.stderr
    # And it still trades.
    assert await place_one(again["web"], key)

    house.stop()
    assert not [child for child in house.children() if is_alive(child)]


async def trade_until_killed(house: House, web: str, key: Key) -> dict[str, str]:
    """Send orders as fast as answers come; kill in the middle; (order id: side) acknowledged."""
    partner = Partner(web=web, key=key)
    chance = random.Random(SEED)
    acknowledged: dict[str, str] = {}
    try:
        async with partner.socket(lambda update: None) as socket:

            async def trader() -> None:
                while True:
                    try:
                        answer = await socket.ask(an_order(chance))
                    except Refused:
                        continue
                    acknowledged[answer["order"]["id"]] = answer["order"]["side"]

            traders = [asyncio.create_task(trader()) for _ in range(4)]
            deadline = time.monotonic() + 120
            while len(acknowledged) < ORDERS_BEFORE_KILL and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            house.kill_everything()
            ended = await asyncio.gather(*traders, return_exceptions=True)
            assert all(isinstance(end, Disconnected) for end in ended), ended
    except Disconnected:
        pass  # the socket went with the web process
    finally:
        await partner.close()
    return acknowledged


def an_order(chance: random.Random) -> dict[str, Any]:
    """Buys of little more than 1 USDC: most cross the market maker's quotes."""
    order = {
        "type": "place_order",
        "listing": chance.choice(LISTINGS),
        "side": "buy",
        "order_type": "market",
        "cash": "1.10",
    }
    if chance.random() < 0.3:
        order |= {"side": "sell", "quantity": "0.001", "order_type": "market"}
        del order["cash"]
    return order


async def look_up(web: str, key: Key, orders: dict[str, str]) -> dict[str, Any]:
    partner = Partner(web=web, key=key)
    try:
        return {
            order: await partner.get(f"/api/v1/orders/{order}/", signed=True) for order in orders
        }
    finally:
        await partner.close()


async def place_one(web: str, key: Key) -> bool:
    partner = Partner(web=web, key=key)
    try:
        async with partner.socket(lambda update: None) as socket:
            answer = await socket.ask(
                {
                    "type": "place_order",
                    "listing": LISTINGS[0],
                    "side": "buy",
                    "order_type": "market",
                    "cash": "1.00",
                }
            )
            return bool(answer["order"]["status"] == "filled")
    finally:
        await partner.close()
