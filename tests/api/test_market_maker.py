"""The market maker as a process of its own, against a live web and engine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts import api_keys
from accounts.models import Investor
from bourse.environment import BASE_DIR
from kernel import clock
from reference.models import ReferencePrice
from reference.sessions import session_at
from tests.live import Processes
from trading import queries
from trading.models import Trade

WAIT_SECONDS = 30.0
DOLLAR = 1_000_000


@pytest.fixture
def maker(venue: Any) -> int:
    investor_id = int(venue.investor("House maker", usd=100_000, tokens=500))
    Investor.objects.filter(id=investor_id).update(is_house=True)
    return investor_id


@pytest.fixture
def run_market_maker(
    live_bourse: Processes, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        web = live_bourse.web.replace("localhost", "127.0.0.1")
        argv = [sys.executable, "-m", "sandbox.market_maker", "--web", web, "--poll-seconds", "0.3"]
        path = os.pathsep.join([str(BASE_DIR), str(BASE_DIR / "platform")])
        environment = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "BOURSE_ENV": "development"}
        with (tmp_path / "maker.log").open("ab") as log:
            process = subprocess.Popen([*argv, *arguments], env=environment, stdout=log, stderr=log)
        running.append(process)
        return process

    yield start
    for process in running:
        process.terminate()
        assert process.wait(timeout=10) == 0, (tmp_path / "maker.log").read_text()


def key_file(folder: Path, name: str, investor_id: int) -> str:
    key = api_keys.create(
        investor_id=investor_id, kind="native", scopes=["read", "trade"], now=clock.now()
    )
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"key": key.key, "secret": key.secret}))
    return str(path)


def set_reference(venue: Any, dollars: int, **facts: Any) -> None:
    now = clock.now()
    session = session_at(now)
    ReferencePrice.objects.update_or_create(
        instrument_id=venue.token.instrument_id,
        defaults={
            "price_per_share_micros": dollars * DOLLAR,
            "regular_close_micros": dollars * DOLLAR,
            "regular_close_at": session.last_regular_close_at,
            "confidence_micros": 1_000,
            # Fresh for as long as the test takes.
            "published_at": now + timedelta(minutes=10),
            "received_at": now,
            "session": session.session,
            "trade_date": session.trade_date,
            "is_halted": False,
            "halt_reason": "",
            **facts,
        },
    )


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def test_it_quotes_follows_withdraws_and_is_traded_with(
    venue: Any, maker: int, run_market_maker: Any, tmp_path: Path
) -> None:
    call_command("load_calendar", verbosity=0)
    set_reference(venue, 200)
    taker = venue.investor("Taker", usd=10_000)
    arguments = ["--key-file", key_file(tmp_path, "maker", maker)]
    arguments += ["--taker-key-file", key_file(tmp_path, "taker", taker)]

    def best() -> tuple[int, int] | None:
        depth = queries.depth(listing_id=venue.listing.pk)
        if len(depth.bids) == len(depth.asks) == 3:
            return depth.bids[0].price_units, depth.asks[0].price_units
        return None

    process = run_market_maker(*arguments, "--trades-per-minute", "120")
    bid, ask = until(best)
    assert bid < 200 * DOLLAR < ask
    assert ask - bid < 2 * DOLLAR

    # The reference moves, the quotes follow; all of them are post-only limit orders.
    set_reference(venue, 220)
    until(lambda: (found := best()) is not None and found[0] > 215 * DOLLAR)
    orders = queries.list_orders(investor_id=maker, open_only=True)
    assert {(order.type, order.post_only, order.source) for order in orders} == {
        ("limit", True, "api")
    }

    # Somebody trades with it, by orders that say what they are.
    until(lambda: Trade.objects.filter(taker_side="buy").exists())
    taken = queries.list_orders(investor_id=taker)
    assert all(str(order.client_order_id).startswith("simulated-") for order in taken)

    # The underlying is halted: nothing is quoted.
    set_reference(venue, 220, is_halted=True, halt_reason="news")
    until(lambda: not queries.list_orders(investor_id=maker, open_only=True))

    # Killed with quotes in the book: the next run takes them away and makes its own.
    set_reference(venue, 220)
    until(best)
    process.kill()
    process.wait()
    old = {order.id for order in queries.list_orders(investor_id=maker, open_only=True)}
    set_reference(venue, 180)
    process.returncode = 0
    run_market_maker(*arguments)
    until(lambda: (found := best()) is not None and found[1] < 185 * DOLLAR)
    left = {order.id for order in queries.list_orders(investor_id=maker, open_only=True)}
    assert old
    assert not old & left


def test_without_a_key_it_says_so_and_exits_2(tmp_path: Path) -> None:
    path = os.pathsep.join([str(BASE_DIR), str(BASE_DIR / "platform")])
    argv = [sys.executable, "-m", "sandbox.market_maker", "--web", "http://127.0.0.1:1"]
    ended = subprocess.run(
        [*argv, "--key-file", str(tmp_path / "none.json")],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 2
    assert "does not hold a key" in ended.stderr
    assert "Traceback" not in ended.stderr
