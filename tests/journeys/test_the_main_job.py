"""What Bourse is for, done by people in a browser: from signing up to being paid.

Everything they meet is real: the chain, the custodian, the identity check and
the prices are processes on the wire, and time is moved on the staff's desk.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree
from playwright.sync_api import Browser, expect, sync_playwright

from tests.house import House
from tests.journeys.people import Newcomer, Officer, Person, draw_passport, until

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
# Without the background flags Chromium calls its maker's servers at every start.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TRADE = "/trade/AAPLxUSDC/"
# A person of the 2021 OFAC list, written a little differently.
LISTED = ("Nicolas", "Maduro Moros")
CARLA, CONRAD = "carla@bourse.example", "conrad@bourse.example"
OLGA, IDA = "olga@bourse.example", "ida@bourse.example"
VERA, VICTOR = "vera@bourse.example", "victor@bourse.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def newcomer(house: House, browser: Browser) -> Iterator[Newcomer]:
    """Nobody yet, at the door of a running house."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    person = Newcomer(context, house.run()["web"])
    yield person
    context.close()
    assert person.complaints == []


@pytest.fixture
def officer(house: House, browser: Browser) -> Iterator[Callable[[str], Officer]]:
    """Signs a member of the staff in, each in a browser of their own."""
    contexts = []

    def sign_in(email: str) -> Officer:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        person = Officer(contexts[-1], house.run()["web"])
        person.sign_in(email, house.password(email))
        return person

    yield sign_in
    for context in contexts:
        context.close()


@pytest.fixture
def passport(tmp_path: Path) -> Path:
    return draw_passport(tmp_path / "passport.jpg", "ERIKA MUSTERMANN")


def test_an_investor_in_germany_signs_up_buys_and_redeems(
    newcomer: Newcomer, officer: Callable[[str], Officer], passport: Path
) -> None:
    erika, page = newcomer, newcomer.page

    erika.sign_up("erika@people.example")
    assert "Passport" in erika.visit("/verification/") or "passport" in erika.read()
    erika.hand_in_kyc("Erika", "Mustermann", nationality="DE", passport=passport)
    erika.wait_for("/verification/", "You are verified")

    erika.visit("/wallet/deposit/")
    erika.press("Send me 1,000 USDC")
    erika.wait_for("/wallet/", "Credited")

    accept_disclosure(erika)
    header = erika.read()
    for shown in ("Reference, per token", "Historical replay", "Premium", "Reserves"):
        assert shown in header
    buy_for_one_dollar(erika)
    rest_and_cancel_a_limit_order(erika)

    # Half of a little more is redeemed, so that there is something to halve.
    page.fill("#t-cash", "100")
    page.locator(".ticket-send").click()
    expect(page.get_by_text("Done:")).to_be_visible()
    redeem(erika, "0.1")
    officer(VERA).move_time("To the next regular session")
    wait_until_paid(erika)


def accept_disclosure(person: Person) -> None:
    """By the link on the trade page; nothing to do for who accepted it before."""
    person.visit(TRADE)
    link = person.page.get_by_role("link", name="Read and accept").first
    if link.count():
        link.click()
        person.page.locator("main input[type=checkbox]").check()
        person.press("Accept version 1")
        expect(person.page).to_have_url(re.compile(TRADE))


def buy_for_one_dollar(person: Person) -> None:
    page = person.page
    expect(page.get_by_text("spread")).to_be_visible()  # the book is live
    # Deposited units are in the wallet a moment before the engine has them.
    expect(page.locator("[data-available-cash]")).to_have_text(re.compile("[1-9]"))
    page.fill("#t-cash", "1")
    page.locator(".ticket-send").click()
    expect(page.get_by_text("Done:")).to_be_visible()


def rest_and_cancel_a_limit_order(person: Person) -> None:
    page = person.page
    person.visit(TRADE)
    page.locator("label", has_text="Limit").first.click()
    page.fill("#t-price", "300.00")
    page.fill("#t-quantity", "0.5")
    page.locator(".ticket-send").click()
    expect(page.get_by_text("Accepted: it waits in the book")).to_be_visible()
    mine = page.locator("table", has_text="Filled of").locator("tbody tr")
    expect(mine).to_have_count(1)  # it came over the socket, nobody reloaded
    expect(page.locator("main")).to_contain_text("0 / 0.5 AAPLx")
    mine.get_by_role("button", name="Cancel").click()
    expect(page.locator("main")).not_to_contain_text("0 / 0.5 AAPLx")
    page.locator("label", has_text="Market").first.click()


def redeem(person: Person, tokens: str) -> None:
    person.visit("/redemptions/new/")
    person.page.fill("[name=quantity]", tokens)
    person.page.check("[name=forward]")
    person.press("Redeem")
    person.page.locator("dialog.sheet").get_by_role("button", name="Redeem").click()
    expect(person.page.locator("main")).to_contain_text(f"Redemption of {tokens} AAPLx")


def wait_until_paid(person: Person) -> None:
    """Reload until the badge beside the title says so; then each stage has its time."""

    def badge() -> str:
        person.page.reload()
        return person.page.locator(".page-head .badge").inner_text()

    until(badge, lambda text: text == "Paid", "the payment", 180)
    assert "Sold at" in person.read()
    stages = person.page.locator(".timeline li")
    assert stages.count() >= 5
    assert [stage for stage in stages.all_inner_texts() if not re.search(r"\d\d:\d\d", stage)] == []


def test_a_us_passport_is_refused_with_the_reason(newcomer: Newcomer, passport: Path) -> None:
    newcomer.sign_up("joe@people.example")

    newcomer.hand_in_kyc("Joe", "Doe", nationality="US", passport=passport)

    said = newcomer.wait_for("/verification/", "US")
    assert "US person" in said or "US passport" in said
    assert "object" in said
    assert "Send me 1,000 USDC" not in newcomer.visit("/wallet/deposit/")


def test_a_name_close_to_a_sanctioned_one_waits_for_two_officers(
    newcomer: Newcomer, officer: Callable[[str], Officer], passport: Path
) -> None:
    newcomer.sign_up("nicolas@people.example")
    newcomer.hand_in_kyc(*LISTED, nationality="DE", passport=passport)
    carla, conrad = officer(CARLA), officer(CONRAD)
    case = find_flagged_case(carla)

    assert "MADURO" in carla.visit(case).upper()
    carla.page.select_option("[name=decision]", "approve")
    carla.page.fill("[name=reason]", "Another birth date and another face.")
    carla.press("Propose to a second officer")
    assert "another officer has to confirm it" in carla.visit(case)
    assert "You are verified" not in newcomer.visit("/verification/")
    conrad.visit(case)
    conrad.press("Confirm: approve")

    newcomer.wait_for("/verification/", "You are verified")


def find_flagged_case(officer: Officer) -> str:
    """Where the newest case with a hit is shown; waits until screening found it."""

    def look() -> str:
        officer.visit("/admin/accounts/kyccase/?status=screening_hit")
        links = officer.page.locator("#result_list tbody th a, #result_list tbody td a").all()
        hrefs = [link.get_attribute("href") or "" for link in links]
        return next((href for href in hrefs if re.search(r"kyccase/[0-9a-f-]+/change", href)), "")

    return until(look, bool, "a flagged case", 60)


def test_a_mint_takes_settled_shares_and_two_officers(officer: Callable[[str], Officer]) -> None:
    vera, victor = officer(VERA), officer(VICTOR)
    before = inventory_of(vera, "AAPLx")

    vera.visit("/admin/custody/mintrequest/start/")
    vera.page.select_option("[name=asset]", label="AAPLx")
    vera.page.fill("[name=tokens]", "100")
    vera.page.select_option("[name=shares]", "buy")
    vera.page.fill("[name=reason]", "Inventory runs low.")
    vera.press("See what it means")
    assert "Mint 100 AAPLx = 100 AAPL, to be bought for about" in vera.read()
    vera.press("Start it")
    mint = vera.page.url.removeprefix(vera.web)
    # Bought in the next session, settled a trading day later; never minted before.
    vera.move_time("To the next regular session")
    vera.wait_for(mint, "Bought", seconds=60)
    assert "creates tokens" not in victor.visit(mint)
    vera.move_time("To the next regular session")
    vera.move_time("To the next regular session")
    victor.wait_for(mint, "Second officer: this creates tokens", seconds=120)
    assert "another officer has to approve it" in vera.visit(mint)
    victor.press("Approve: Mint 100 AAPLx")

    victor.wait_for(mint, "Minted", seconds=120)
    until(lambda: inventory_of(vera, "AAPLx"), lambda now: now != before, "inventory", 60)


def inventory_of(person: Person, code: str) -> str:
    """What the public reserves page says of a token."""
    person.visit(f"/reserves/{code}/")
    return person.page.locator("main").inner_text()


def test_the_days_trades_are_exported_as_a_valid_file(
    newcomer: Newcomer, officer: Callable[[str], Officer], house: House, tmp_path: Path
) -> None:
    ida, olga = newcomer, officer(OLGA)
    ida.sign_in(IDA, house.password(IDA))
    accept_disclosure(ida)
    buy_for_one_dollar(ida)

    today = demo_day(olga)
    olga.visit("/admin/reporting/exportfile/")
    olga.page.fill("[name=day]", today)
    olga.press("Build the day's file")
    assert "Validated" in olga.read()  # against the official schema
    with olga.page.expect_download() as download:
        olga.page.get_by_role("button", name="Download (recorded)").click()
    saved = tmp_path / "rts22.xml"
    download.value.save_as(saved)

    isins = etree.parse(saved).findall(".//{*}FinInstrm//{*}Id")
    assert "ZZTEST000004" in {isin.text for isin in isins}


def demo_day(officer: Officer) -> str:
    """Today in the demo's time, as the desk says it."""
    found = re.search(r"It is \w+ (\d+ \w+ \d{4}), ", officer.visit("/admin/"))
    assert found
    return datetime.strptime(found.group(1), "%d %b %Y").replace(tzinfo=UTC).date().isoformat()


def test_the_reserves_stand_side_by_side_for_everybody(newcomer: Newcomer) -> None:
    text = newcomer.visit("/reserves/")

    for column in ("Shares settled", "Tokens on chain", "Owed to investors", "Newest count"):
        assert column.lower() in text.lower()
    assert "not covered" not in text
