"""The proof of an entry, for its owner: a page in words, a file, and the API's answer."""

import json
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from custody import sealing
from custody.inclusion import check_proof
from custody.models import Seal
from custody.sealing import seal_hash
from tests.ledger_stories import Books
from tests.sealing_stories import seal_all


def signed_in(books: Books, name: str) -> Client:
    investor = books.investors[name]
    investor.user = User.objects.create_user(f"{name}@example.org", password=None)
    investor.save()
    client = Client()
    client.force_login(investor.user)
    return client


@pytest.fixture
def alice(books: Books) -> Client:
    return signed_in(books, "alice")


@pytest.fixture
def bob(books: Books) -> Client:
    return signed_in(books, "bob")


def addresses(entry_id: int) -> list[str]:
    return [
        f"/wallet/entries/{entry_id}/proof/",
        f"/wallet/entries/{entry_id}/proof.json",
        f"/api/v1/entries/{entry_id}/proof/",
    ]


def test_the_page_says_what_is_proven_and_how_to_check_it(
    books: Books, sealer: sealing.Sealer, alice: Client
) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})
    seal_all(sealer)
    seal = Seal.objects.get(chain="ledger", n=1)

    page = alice.get(addresses(entry_id)[0]).content.decode()

    assert "This entry is in ledger seal 1" in page
    assert seal_hash(seal).hex() in page
    assert bytes(seal.merkle_root).hex() in page
    assert seal.key_id in page
    assert "python -m custody.inclusion" in page
    assert "100.00 USDC" in page
    assert f"/wallet/entries/{entry_id}/proof.json" in page


def test_the_file_and_the_api_give_a_proof_that_holds(
    books: Books, sealer: sealing.Sealer, alice: Client, tmp_path: Path
) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})
    seal_all(sealer)
    _, file, api = addresses(entry_id)
    published = Client().get("/reserves/seals.pub").content.decode().split()
    assert published == (tmp_path / "keys" / "seal.pem.pub").read_text().split()

    proofs = [alice.get(file).json(), alice.get(api).json()]

    for proof in proofs:
        proven = check_proof(proof, published)
        assert (proven.entry_id, proven.seal_n, proven.content_is_shown) == (entry_id, 1, True)


def test_both_sides_of_a_trade_get_a_proof_without_the_other(
    books: Books, sealer: sealing.Sealer, alice: Client, bob: Client
) -> None:
    books.give("alice main USDC", "100")
    entry_id = books.book("transfer", {"alice main USDC": "-1", "bob main USDC": "+1"})
    seal_all(sealer)
    page, file, api = addresses(entry_id)

    for client, amount, other in ((alice, "-1.00 USDC", "+1"), (bob, "1.00 USDC", "-1.00")):
        shown = client.get(page).content.decode()
        assert amount in shown
        assert other not in shown
        assert "another investor" in shown
        assert client.get(file).json()["content"] is None
        assert client.get(api).json()["content"] is None


def test_a_foreign_entry_is_not_there(
    books: Books, sealer: sealing.Sealer, alice: Client, bob: Client
) -> None:
    own = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})
    houses = books.book("fee", {"chain USDC": "-1", "fees USDC": "+1"})
    seal_all(sealer)

    for client, entry_id in ((bob, own), (alice, houses), (alice, 1), (alice, 10**30)):
        for address in addresses(entry_id):
            assert client.get(address).status_code == 404, address
    for address in addresses(own):
        assert Client().get(address).status_code in (302, 401)


def test_an_entry_that_waits_for_its_seal_says_so(books: Books, alice: Client) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})

    for address in addresses(entry_id):
        answer = alice.get(address)
        assert answer.status_code == 409
    assert "Not sealed yet" in alice.get(addresses(entry_id)[0]).content.decode()
    assert alice.get(addresses(entry_id)[2]).json()["code"] == "not_sealed_yet"


def test_a_login_without_an_investor_has_no_proofs(books: Books, sealer: sealing.Sealer) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})
    seal_all(sealer)
    nobody = Client()
    nobody.force_login(User.objects.create_user("nobody@example.org", password=None))

    for address in addresses(entry_id):
        assert nobody.get(address).status_code == 403


def test_the_proofs_file_is_json_that_a_person_can_read(
    books: Books, sealer: sealing.Sealer, alice: Client
) -> None:
    entry_id = books.book("deposit", {"chain USDC": "-100", "alice main USDC": "+100"})
    seal_all(sealer)

    answer = alice.get(addresses(entry_id)[1])

    assert f"bourse-entry-{entry_id}-proof.json" in answer["Content-Disposition"]
    assert json.loads(answer.content)["format"] == "bourse inclusion proof 1"
    assert len(answer.content.splitlines()) > 10
