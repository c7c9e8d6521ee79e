"""What a name, an address and a birth date can look like, in any script.

Only what cannot be right is refused: names are letters with the marks that join
them, nothing is a link or holds control characters. Whether it is the person's own
is for the document and the provider to say.
"""

import re
import unicodedata
from datetime import date

from kernel.refusals import Refusal

NAME_LENGTH_MAX = 100
ADDRESS_LENGTH_MAX = 200
POSTAL_CODE_LENGTH_MAX = 12
AGE_YEARS_MIN = 18
AGE_YEARS_MAX = 120
# Beside letters: what stands within names and between them, as in O'Neill, Smith-Jones, St. John,
# and in the passports of Malaysia and Singapore (A/L, D/O, S/O).
JOINING = set(" -'’ʼ‘.,·・/")
_POSTAL_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,10}[A-Za-z0-9]")
_LINK = re.compile(r"https?:|www\.|://|@", re.IGNORECASE)


class MalformedDetails(Refusal):
    """Some of your details cannot be right."""

    code = "malformed_details"


class Underage(Refusal):
    """You have to be at least 18 years old."""

    code = "underage"


def check_name(field: str, text: str) -> None:
    """:raises MalformedDetails: it holds more than letters and what joins them."""
    if not any(_is_letter(each) for each in text):
        words = "Write your names as they stand in your document, in letters."
        raise MalformedDetails(words, field=field)
    if len(text) > NAME_LENGTH_MAX:
        words = f"A name here has at most {NAME_LENGTH_MAX} characters; shorten the later names."
        raise MalformedDetails(words, field=field)
    strange = next((each for each in text if not (_is_letter(each) or each in JOINING)), None)
    if strange is not None:
        shown = f"“{strange}”" if strange.isprintable() else "An invisible character"
        words = f"{shown} does not belong in a name. Write it as it stands in your document."
        raise MalformedDetails(words, field=field)


def check_address(field: str, text: str) -> None:
    """:raises MalformedDetails: a street or city that is empty, a link, or not printable."""
    if not any(_is_letter(each) or each.isdigit() for each in text):
        raise MalformedDetails("Give your whole address.", field=field)
    if len(text) > ADDRESS_LENGTH_MAX:
        words = f"This has at most {ADDRESS_LENGTH_MAX} characters."
        raise MalformedDetails(words, field=field)
    if _LINK.search(text) or not text.isprintable():
        raise MalformedDetails("This does not look like an address.", field=field)


def check_city(text: str) -> None:
    """:raises MalformedDetails: as an address, and a city has letters."""
    check_address("city", text)
    if not any(_is_letter(each) for each in text):
        raise MalformedDetails("A city is written in letters.", field="city")


def check_postal_code(country: str, text: str) -> None:
    """:raises MalformedDetails: not a postal code of this country, as far as we know its form."""
    form = POSTAL_CODES.get(country)
    if form is not None:
        pattern, example = form
        if not re.fullmatch(pattern, text.strip().upper()):
            words = f"A postal code there looks like {example}."
            raise MalformedDetails(words, field="postal_code")
        return
    looks_right = _POSTAL_CODE.fullmatch(text.strip()) and any(each.isdigit() for each in text)
    if not looks_right:
        words = (
            "A postal code has digits and letters, at most 12. Where there is none, write 00000."
        )
        raise MalformedDetails(words, field="postal_code")


# The form of the codes that most of those we serve have; any other is judged in general.
_FIVE, _FOUR = (r"[0-9]{5}", "51147"), (r"[0-9]{4}", "1010")
POSTAL_CODES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("DE", "FR", "ES", "IT", "FI", "EE", "HR"), _FIVE),
    **dict.fromkeys(("AT", "BE", "CH", "DK", "NO", "HU", "LU", "SI", "BG", "CY", "AU"), _FOUR),
    "NL": (r"[0-9]{4} ?[A-Z]{2}", "1012 AB"),
    "PL": (r"[0-9]{2}-?[0-9]{3}", "00-950"),
    "PT": (r"[0-9]{4}-?[0-9]{3}", "1000-001"),
    "SE": (r"[0-9]{3} ?[0-9]{2}", "111 22"),
    "CZ": (r"[0-9]{3} ?[0-9]{2}", "110 00"),
    "SK": (r"[0-9]{3} ?[0-9]{2}", "811 01"),
    "GR": (r"[0-9]{3} ?[0-9]{2}", "104 31"),
    "GB": (r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}", "SW1A 1AA"),
    "SG": (r"[0-9]{6}", "018956"),
    "JP": (r"[0-9]{3}-?[0-9]{4}", "100-0001"),
    "BR": (r"[0-9]{5}-?[0-9]{3}", "01310-100"),
}


def check_birth_date(birth_date: date, today: date) -> None:
    """:raises Underage, MalformedDetails: too young, in the future, or nobody's age."""
    if birth_date > today:
        raise MalformedDetails("This day is yet to come.", field="birth_date")
    age = age_years(birth_date, today)
    if age < AGE_YEARS_MIN:
        raise Underage(field="birth_date")
    if age > AGE_YEARS_MAX:
        raise MalformedDetails("Look at the year of your birth again.", field="birth_date")


def age_years(birth_date: date, today: date) -> int:
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    return today.year - birth_date.year - (0 if had_birthday else 1)


def _is_letter(character: str) -> bool:
    """A letter of any script, or the accent or vowel sign upon it."""
    return unicodedata.category(character)[0] in "LM"
