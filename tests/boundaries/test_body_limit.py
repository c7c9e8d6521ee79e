"""No request may send more than its address takes, whoever sends it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bourse.body_limit import UPLOAD_PATHS, bytes_max

MEGABYTE = 1024 * 1024


def client() -> httpx.AsyncClient:
    from bourse.asgi import application

    served: Any = application
    transport = httpx.ASGITransport(served)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def endless(sent: list[int]) -> AsyncIterator[bytes]:
    """As much as is taken, a quarter of a megabyte at a time, without saying how much."""
    for _ in range(400):
        sent.append(MEGABYTE // 4)
        yield bytes(MEGABYTE // 4)


@pytest.mark.parametrize(
    "path", ["/", "/account/login/", "/webhooks/kyc/", "/0/private/AddOrder", "/api/v1/orders/"]
)
async def test_an_announced_flood_is_refused_before_it_is_read(path: str) -> None:
    async with client() as visitor:
        answer = await visitor.post(path, content=bytes(2 * MEGABYTE))

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize("path", ["/", "/webhooks/kyc/", "/verification/documents/"])
async def test_an_unannounced_flood_is_cut_off_at_the_limit(path: str) -> None:
    sent: list[int] = []

    async with client() as visitor:
        answer = await visitor.post(path, content=endless(sent))

    assert answer.status_code == 413
    assert bytes_max(path) < sum(sent) <= bytes_max(path) + MEGABYTE


async def test_what_is_not_too_large_comes_through(db: None) -> None:
    async with client() as visitor:
        answer = await visitor.post("/webhooks/kyc/", content=bytes(1_000))

    assert answer.status_code == 401  # read, and its digest is missing


def test_the_places_for_pictures_exist_and_take_the_largest_picture(settings: Any) -> None:
    from django.urls import resolve

    from accounts.documents import UPLOAD_BYTES_MAX

    for path in UPLOAD_PATHS:
        assert resolve(path).url_name == "verification_documents"
        assert bytes_max(path) > UPLOAD_BYTES_MAX + MEGABYTE
