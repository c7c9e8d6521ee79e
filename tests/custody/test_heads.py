"""The seals' heads, published with the reserves: what anybody may keep and compare."""

import json
from pathlib import Path

import pytest
from django.test import Client

from custody import heads, operations, sealing
from custody.models import Asset, ReserveAttestation, Seal
from custody.sealing import seal_hash
from custody.views import reserves
from tests.custody_stories import House
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import seal_all

DEPOSIT = {"chain USDC": "-1", "alice main USDC": "+1"}


@pytest.fixture
def three_seals(books: Books, sealer: sealing.Sealer) -> list[Seal]:
    for second in range(3):
        books.book("deposit", DEPOSIT)
        seal_all(sealer, second)
    return list(Seal.objects.filter(chain="ledger").order_by("n"))


def test_the_list_is_the_heads_file_letter_by_letter(
    three_seals: list[Seal], tmp_path: Path
) -> None:
    answer = Client().get("/reserves/seals/ledger.jsonl")

    assert answer.content == (tmp_path / "seals" / "ledger.jsonl").read_bytes()
    assert [json.loads(line)["n"] for line in answer.content.splitlines()] == [1, 2, 3]


def test_a_long_list_goes_on_behind_a_seal(
    three_seals: list[Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserves, "HEADS_AT_ONCE_MAX", 2)

    def numbers(after: str) -> list[int]:
        lines = Client().get("/reserves/seals/ledger.jsonl", {"after": after}).content
        return [json.loads(line)["n"] for line in lines.splitlines()]

    assert numbers("0") == [1, 2]
    assert numbers("2") == [3]
    assert numbers("3") == []
    for wrong in ("-1", "x", "", "9" * 19):
        address = "/reserves/seals/ledger.jsonl"
        assert Client().get(address, {"after": wrong}).status_code == 404
    assert Client().get("/reserves/seals/unknown.jsonl").status_code == 404


def test_the_reserves_page_shows_the_newest_seal_and_its_key(three_seals: list[Seal]) -> None:
    newest = three_seals[-1]

    page = Client().get("/reserves/").content.decode()

    assert seal_hash(newest).hex() in page
    assert newest.key_id in page
    assert "/reserves/seals/ledger.jsonl" in page
    assert "/reserves/seals.pub" in page


def test_the_api_tells_the_newest_seals_and_pages_through_all(three_seals: list[Seal]) -> None:
    latest = Client().get("/api/v1/seals/").json()
    first = Client().get("/api/v1/seals/heads/", {"limit": "2"}).json()
    rest = Client().get("/api/v1/seals/heads/", {"limit": "2", "after": first["next_after"]}).json()

    assert {each["chain"]: each["n"] for each in latest}["ledger"] == 3
    assert [each["n"] for each in first["results"] + rest["results"]] == [1, 2, 3]
    assert rest["next_after"] is None
    assert first["results"][0]["hash"] == seal_hash(three_seals[0]).hex()
    for wrong in ({"chain": "other"}, {"limit": "1001"}, {"after": "-1"}, {"after": "9" * 30}):
        assert Client().get("/api/v1/seals/heads/", wrong).status_code == 400


def test_before_the_first_seal_there_is_nothing_to_keep(books: Books) -> None:
    assert "Nothing has been sealed yet" in Client().get("/reserves/").content.decode()
    assert Client().get("/reserves/seals/ledger.jsonl").content == b""
    assert Client().get("/api/v1/seals/").json() == []


def test_keys_that_this_machine_does_not_keep_are_not_offered(
    books: Books, three_seals: list[Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "key_file", lambda: Path("/nowhere/seal.pem"))

    assert Client().get("/reserves/seals.pub").status_code == 404
    assert "/reserves/seals.pub" not in Client().get("/reserves/").content.decode()


def test_a_count_of_reserves_names_the_newest_ledger_seal(house: House) -> None:
    Asset.objects.filter(code="AAPLx").update(mint_address="1" * 32)

    def count() -> ReserveAttestation:
        (made,) = operations.attest_reserves(
            chain=house.chain, custodian=house.custodian, now=house.now
        )
        return ReserveAttestation.objects.get(id=made.id)

    unsealed = count()
    for n, chain in ((1, "ledger"), (2, "ledger"), (3, "audit")):
        Seal.objects.create(
            chain=chain, n=n, previous_hash=bytes(32), merkle_root=bytes(32), leaf_count=1,
            xid_from=n, xid_to=n + 1, sealed_at=NOON, key_id="0" * 16, signature=bytes(64),
        )  # fmt: skip
    sealed = count()

    assert unsealed.ledger_seal is None
    assert sealed.ledger_seal == Seal.objects.get(chain="ledger", n=2)
    (shown,) = Client().get("/api/v1/reserves/").json()
    assert shown["ledger_seal"] == 2
