"""Who walks through the product in a browser, and how: verbs of the domain on its pages."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import BrowserContext, Page, expect

PASSWORD = "quite-a-long-one-42"  # of people who live for one test
PATIENCE_SECONDS = 90


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, context: BrowserContext, web: str) -> None:
        self.web = web
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind == "error":
            self.complaints.append(text)

    def visit(self, path: str) -> str:
        """Open a page and return what it says."""
        self.page.goto(self.web + path)
        return self.read()

    def read(self) -> str:
        return self.page.locator("main").inner_text()

    def press(self, name: str) -> None:
        self.page.locator("main").get_by_role("button", name=name).first.click()
        self.page.wait_for_load_state()

    def wait_for(self, path: str, says: str, *, seconds: float = PATIENCE_SECONDS) -> str:
        """Look at a page again and again until it says something."""
        return until(lambda: self.visit(path), lambda text: says in text, says, seconds)

    def sign_in(self, email: str, password: str) -> None:
        self.visit("/account/login/")
        self.page.fill("[name=login]", email)
        self.page.fill("[name=password]", password)
        self.page.locator("main button[type=submit]").first.click()
        self.page.wait_for_url(lambda url: "login" not in url)


class Newcomer(Person):
    """Somebody who opens an account."""

    def sign_up(self, email: str) -> None:
        self.visit("/account/signup/")
        self.page.fill("[name=email]", email)
        self.page.fill("[name=password1]", PASSWORD)
        self.page.locator("main button[type=submit]").click()
        expect(self.page).to_have_url(re.compile("confirm-email"))
        self.page.goto(self._link_in_mail_to(email))
        self.press("Yes, confirm it")

    def _link_in_mail_to(self, email: str) -> str:
        self.visit("/outbox/")
        mail = self.page.locator("main").locator(f":text('{email}')").first
        expect(mail).to_be_visible()
        found = re.search(r"http://localhost:\d+/account/confirm-email/[^\s\"<]+", self.read())
        assert found, self.read()
        return found.group(0)

    def hand_in_kyc(self, given: str, family: str, *, nationality: str, passport: Path) -> None:
        """Fill the form as somebody who lives in Germany, upload a passport, send it."""
        self.visit("/verification/details/")
        page = self.page
        for name, value in {
            "given_names": given,
            "family_names": family,
            "birth_date": "1985-08-12",
            "street": "Heidestrasse 17",
            "postal_code": "51147",
            "city": "Koeln",
            "tax_number": "86095742719",
        }.items():
            page.fill(f"[name={name}]", value)
        page.select_option("[name=nationality]", nationality)
        page.select_option("[name=residence_country]", "DE")
        page.select_option("[name=tax_country]", "DE")
        page.locator("[name=is_us_person]").first.check()
        page.locator("[name=is_pep]").first.check()
        self.press("Save and go on")
        page.select_option("[name=kind]", "passport")
        page.select_option("[name=issuing_country]", nationality)
        page.set_input_files("[name=file]", passport)
        self.press("Upload")
        self.press("Send for verification")


class Officer(Person):
    """Somebody of the staff, at the admin."""

    def read(self) -> str:
        return self.page.locator("body").inner_text()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()
        self.page.wait_for_load_state()

    def open_row(self, path: str, name: str) -> None:
        """Open a list and follow the row's link that has this name in it."""
        self.visit(path)
        self.page.locator("table a", has_text=name).first.click()
        self.page.wait_for_load_state()

    def move_time(self, step: str) -> None:
        self.visit("/admin/")
        self.press(step)
        assert "It is now" in self.read()


def until(
    look: Callable[[], str], is_there: Callable[[str], bool], what: str, seconds: float
) -> str:
    """What `look` returns once it is as wanted; fails with the last look."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if is_there(seen):
            return seen
        assert time.monotonic() < deadline, f"never saw {what!r}:\n{seen}"
        time.sleep(0.5)


def draw_passport(path: Path, name: str) -> Path:
    """A picture to upload."""
    picture = Image.new("RGB", (900, 600), "white")
    ImageDraw.Draw(picture).text((40, 40), f"PASSPORT {name}", fill="black")
    picture.save(path)
    return path


def yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
