"""Officers start, read and approve mints in the back office; four eyes hold there too."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from custody.admin.words import money
from custody.models import (
    BlockOrder,
    CustodianOrder,
    MintRequest,
    Redemption,
    SettlementLeg,
)
from kernel.ids import uuid7
from reference.models import ReferencePrice
from tests.custody_stories import TOKEN, House, make_officer
from tests.ledger_stories import NOON, Books

VIEWS = (
    "mintrequest",
    "redemption",
    "deposit",
    "depositaddress",
    "custodianorder",
    "blockorder",
    "settlementleg",
    "chaintransaction",
    "reserveattestation",
)


def login(officer: User) -> Client:
    for name in VIEWS:
        permission = Permission.objects.get(
            content_type__app_label="custody", codename=f"view_{name}"
        )
        officer.user_permissions.add(permission)
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_an_officer_starts_a_mint_after_reading_what_it_means(house: House) -> None:
    house.receive_shares(10)
    client = login(house.maker)
    url = reverse("admin:custody_mint_start")
    form = {
        "asset": str(house.asset_id("AAPLx")),
        "tokens": "10",
        "shares": "free",
        "reason": "demand",
        "mint_id": str(uuid7()),
    }

    preview = client.post(url, form)
    assert "Mint 10 AAPLx = 10 AAPL" in preview.content.decode()
    assert not MintRequest.objects.exists()
    started = client.post(url, {**form, "confirmed": "yes"})

    assert started.status_code == 302
    assert MintRequest.objects.get().token_units == 10 * TOKEN
    again = client.post(url, {**form, "confirmed": "yes"})
    assert (again.status_code, again["Location"]) == (302, started["Location"])
    assert MintRequest.objects.count() == 1


@pytest.mark.parametrize("tokens", ["1e3", "-1", "0", "0.000000001", "", "1,000", "\u0661", "NaN"])
def test_amounts_in_any_other_spelling_are_refused(house: House, tokens: str) -> None:
    client = login(house.maker)
    form = {
        "asset": str(house.asset_id("AAPLx")),
        "tokens": tokens,
        "shares": "buy",
        "reason": "x",
        "mint_id": str(uuid7()),
        "confirmed": "yes",
    }

    answer = client.post(reverse("admin:custody_mint_start"), form)

    assert answer.status_code == 200
    assert not MintRequest.objects.exists()


def test_a_second_officer_approves_on_the_mints_page_and_the_first_cannot(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    assert mint.proposal is not None
    url = reverse("admin:custody_mintrequest_change", args=[mint.id])
    act = {"act": "approve", "body_hash": mint.proposal.body_hash}

    own = login(house.maker).get(url).content.decode()
    login(house.maker).post(url, act)
    assert "You started this yourself" in own
    assert house.state_of(mint.id) == "awaiting_approval"
    page = login(house.checker).get(url).content.decode()
    login(house.checker).post(url, act)

    assert "Approve: Mint 10 AAPLx = 10 shares of AAPL" in page
    assert house.state_of(mint.id) == "approved"


def test_who_has_no_permission_sees_and_starts_nothing(house: House) -> None:
    stranger = User.objects.create_user(email="clerk@example.com", is_staff=True)
    client = Client()
    client.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(reverse("admin:custody_mint_start")).status_code == 403
    for name in VIEWS:
        assert client.get(reverse(f"admin:custody_{name}_changelist")).status_code == 403


def test_every_table_of_custody_can_be_looked_at(house: House) -> None:
    house.prefund(usdc="100000")
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", 10)
    redemption = house.redeem("alice", 5 * TOKEN)
    house.clock.to_next_session()
    house.sweep_until(lambda: Redemption.objects.get(id=redemption.id).state == "paid")
    client = login(house.maker)

    for name in VIEWS:
        page = client.get(reverse(f"admin:custody_{name}_changelist"))
        assert page.status_code == 200, name
    page = client.get(reverse("admin:custody_redemption_change", args=[redemption.id]))
    text = page.content.decode()
    assert "Redeem 5 AAPLx = 5 AAPL" in text
    assert "not yet" not in text
    block, order, leg = (
        model.objects.get() for model in (BlockOrder, CustodianOrder, SettlementLeg)
    )
    text = client.get(reverse("admin:custody_blockorder_change", args=[block.pk])).content.decode()
    assert f"Sell 5 AAPL at {money(block.price_micros)}" in text
    text = client.get(
        reverse("admin:custody_custodianorder_change", args=[order.pk])
    ).content.decode()
    assert reverse("admin:custody_blockorder_change", args=[block.pk]) in text
    text = client.get(reverse("admin:custody_settlementleg_change", args=[leg.pk])).content.decode()
    assert "Leg of 10 AAPLx, issuance to hot wallet" in text


def test_an_officer_lets_what_is_stuck_go_on(db: None) -> None:
    books = Books()
    asset = books.assets["AAPL"]
    block = BlockOrder.objects.create(asset=asset, side="buy", units=1, formed_at=NOON)
    CustodianOrder.objects.create(asset=asset, side="buy", units=1, requested_at=NOON, block=block)
    BlockOrder.objects.update(state="stuck", attempts=24)
    leg = SettlementLeg.objects.create(
        asset=books.assets["AAPLx"], direction="out", units=1, planned_at=NOON
    )
    SettlementLeg.objects.update(state="stuck", reason="6 transactions came to nothing")
    clerk, officer = make_officer("sam"), make_officer("mia")
    clerk.user_permissions.remove(Permission.objects.get(codename="add_mintrequest"))
    urls = [
        reverse("admin:custody_blockorder_change", args=[block.pk]),
        reverse("admin:custody_settlementleg_change", args=[leg.pk]),
    ]

    for url in urls:
        assert "A custody officer can do that" in login(clerk).get(url).content.decode()
        assert "forbidden" in login(clerk).post(url, {"act": "retry"}, follow=True).content.decode()
        assert "It is stuck" in login(officer).get(url).content.decode()
        login(officer).post(url, {"act": "retry"})
        again = login(officer).post(url, {"act": "retry"}, follow=True).content.decode()
        assert "not_stuck" in again
        assert "It is stuck" not in again

    block.refresh_from_db()
    leg.refresh_from_db()
    assert (block.state, block.attempts, leg.state) == ("new", 0, "failed")


def test_the_preview_tells_the_size_and_an_absurd_one_is_refused(house: House) -> None:
    client = login(house.maker)
    form = {
        "asset": str(house.asset_id("AAPLx")),
        "tokens": "10",
        "shares": "buy",
        "reason": "demand",
        "mint_id": str(uuid7()),
    }
    url = reverse("admin:custody_mint_start")

    assert "the first tokens of this asset" in client.post(url, form).content.decode()

    huge = {**form, "tokens": "1000000", "confirmed": "yes"}  # 238,000,000 USD
    assert "Look at the number again" in client.post(url, huge).content.decode()
    ReferencePrice.objects.all().delete()  # whoever knows no price knows no size
    for asked in (form, huge, {**form, "shares": "free", "confirmed": "yes"}):
        assert "mint_price_unknown" in client.post(url, asked).content.decode()
    assert not MintRequest.objects.exists()
    assert not CustodianOrder.objects.exists()
