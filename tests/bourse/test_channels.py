"""Live data survives silence: redis-py gives up on idle sockets after 5 s by default."""

import asyncio

from channels.layers import get_channel_layer

from bourse.same_site import SameSite

IDLE_SECONDS = 13


async def test_a_consumer_that_idles_still_hears(valkey_url: str) -> None:
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add("quiet", channel)
    waiting = asyncio.create_task(layer.receive(channel))

    await asyncio.sleep(IDLE_SECONDS)
    await layer.group_send("quiet", {"type": "late.news", "text": "still there"})

    heard = await asyncio.wait_for(waiting, timeout=5)
    assert heard["text"] == "still there"
    await layer.group_discard("quiet", channel)
    await layer.flush()


async def test_a_socket_opened_by_another_sites_page_is_closed() -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def inner(scope: object, receive: object, send: object) -> None:
        raise AssertionError("it was let through")

    scope = {"type": "websocket", "headers": [(b"origin", b"http://evil.example")]}
    await SameSite(inner)(scope, None, send)

    assert sent == [{"type": "websocket.close", "code": 4403}]


async def test_a_program_without_a_browser_is_let_through() -> None:
    reached: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        reached.append(scope)

    scope = {"type": "websocket", "headers": [(b"user-agent", b"a program")]}
    await SameSite(inner)(scope, None, None)

    assert reached == [scope]
