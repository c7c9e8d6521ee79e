"""A customer's program against a running house: a key, consents, signed requests."""

import json
import time
from collections.abc import Iterable
from typing import Any

import httpx

from sandbox.partner import Disconnected, Key, Partner, Refused
from tests.house import House

HTTP_TIMEOUT_SECONDS = 30


def trading_key(house: House, email: str) -> Key:
    made = house.manage("create_api_key", "--email", email, "--scopes", "read,trade,fund")
    assert made.returncode == 0, made.stderr
    content = json.loads(made.stdout)
    return Key(key=content["key"], secret=content["secret"])


async def accept_disclosures(web: str, key: Key, listings: Iterable[str]) -> None:
    partner = Partner(web=web, key=key)
    try:
        listed = await partner.get("/api/v1/disclosures/", signed=True)
    finally:
        await partner.close()
    texts = {one["subject"]: one["sha256"] for one in listed}
    for listing in listings:
        subject = listing.removesuffix("USDC")
        target = f"/api/v1/disclosures/{subject}/consent/"
        await post(web, key, target, {"sha256": texts[subject]})


async def post(web: str, key: Key, target: str, body: Any) -> Any:
    """The JSON that answers a signed POST.

    :raises Disconnected: no answer, or not one of the API's.
    :raises Refused: the platform's refusal.
    """
    content = json.dumps(body).encode()
    signed = key.sign(method="POST", target=target, body=content, nonce=time.time_ns())
    headers = {
        "Bourse-Key": key.key,
        "Bourse-Timestamp": signed["timestamp"],
        "Bourse-Nonce": signed["nonce"],
        "Bourse-Signature": signed["signature"],
        "Content-Type": "application/json",
    }
    async with httpx.AsyncClient(base_url=web, timeout=HTTP_TIMEOUT_SECONDS) as client:
        try:
            answer = await client.post(target, content=content, headers=headers)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Disconnected(str(error)) from error
    if answer.is_server_error:
        raise Disconnected(f"{target} answered {answer.status_code}")
    if answer.is_error:
        raise Refused(told.get("code", ""), told.get("message", ""))
    return told
