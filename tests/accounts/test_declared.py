"""Names, addresses and birth dates: any script, no nonsense."""

from datetime import date

import pytest

from accounts.declared import (
    MalformedDetails,
    Underage,
    check_address,
    check_birth_date,
    check_city,
    check_name,
    check_postal_code,
)

TODAY = date(2026, 3, 4)


@pytest.mark.parametrize(
    "name",
    ["Erika", "O'Neill", "Müller-Lüdenscheidt", "María José", "Nguyễn Thị Minh", "王小明",
     "मोहनदास", "محمد بن سلمان", "J. R. R.", "Anand A/L Krishnan", "D’Arc", "Ó Súilleabháin", "X"],
)  # fmt: skip
def test_names_of_any_script_are_taken(name: str) -> None:
    check_name("given_names", name)


@pytest.mark.parametrize(
    "name",
    ["123", "R2D2", "https://evil.example", "a@b.example", "<b>Bob</b>", "Bob\x00", "Bob\nBaum",
     "Bob\u202e", "...", "", "😀", "A" * 101, "Bob; DROP TABLE"],
)  # fmt: skip
def test_what_is_no_name_is_refused_at_its_field(name: str) -> None:
    with pytest.raises(MalformedDetails) as refused:
        check_name("family_names", name)

    assert refused.value.details == {"field": "family_names"}
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("country", "code"),
    [("DE", "51147"), ("NL", "1012 ab"), ("GB", "sw1a 1aa"), ("AE", "00000"), ("IE", "D02 X285"),
     ("JP", "100-0001"), ("CA", "K1A 0B1")],
)  # fmt: skip
def test_postal_codes_are_taken_in_their_countrys_form(country: str, code: str) -> None:
    check_postal_code(country, code)


@pytest.mark.parametrize(
    ("country", "code"),
    [("DE", "5114"), ("DE", "ABCDE"), ("AT", "51147"), ("GB", "12345"), ("AE", "none"),
     ("IE", "http://x1"), ("CA", "!!1"), ("CA", "1" * 13), ("DE", "")],
)  # fmt: skip
def test_other_codes_are_refused(country: str, code: str) -> None:
    with pytest.raises(MalformedDetails):
        check_postal_code(country, code)


def test_addresses_have_words_and_no_links() -> None:
    check_address("street", "Heidestraße 17")
    check_city("Köln")
    for street in ("", "---", "www.evil.example 5", "Main\tSt"):
        with pytest.raises(MalformedDetails):
            check_address("street", street)
    with pytest.raises(MalformedDetails):
        check_city("12345")


def test_birth_dates_are_of_people_alive_and_of_age() -> None:
    check_birth_date(date(2008, 3, 4), TODAY)
    with pytest.raises(Underage):
        check_birth_date(date(2008, 3, 5), TODAY)
    for day in (date(2026, 3, 5), date(1900, 1, 1)):
        with pytest.raises(MalformedDetails):
            check_birth_date(day, TODAY)
