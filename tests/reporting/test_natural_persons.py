"""Article 6 of Delegated Regulation (EU) 2017/590, case by case."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.natural_persons import (
    Designation,
    IdKind,
    NaturalPerson,
    NoPermittedIdentifier,
    concat,
    decisive_nationality,
    designate,
    report_names,
)


def named(first_names: str, surname: str) -> NaturalPerson:
    return NaturalPerson(first_names, surname, date(1990, 1, 15), ("DE",))


@pytest.mark.parametrize(
    ("first_names", "surname", "expected"),
    [
        ("Anna", "Muster", "19900115ANNA#MUSTE"),
        ("Anna Maria", "Muster", "19900115ANNA#MUSTE"),
        ("Seán", "O'Brien", "19900115SEAN#OBRIE"),
        ("Seán", "O’Brien", "19900115SEAN#OBRIE"),
        ("Ron", "McDonald", "19900115RON##MCDON"),
        ("Jan", "van der Berg", "19900115JAN##BERG#"),
        ("Willem", "de l'Or", "19900115WILLELOR##"),
        ("Dr. Max", "von dem Busch", "19900115MAX##BUSCH"),
        ("Jean-Luc", "Saint Exupéry", "19900115JEANLSAINT"),
        ("Łukasz", "Ødegård", "19900115LUKASODEGA"),
        ("Jürgen", "Strauß", "19900115JURGESTRAU"),
        ("Li", "Yu", "19900115LI###YU###"),
        ("Мария", "Иванова", "19900115MARIYIVANO"),
        # A prefix that is the whole name is the name.
        ("De", "Van", "19900115DE###VAN##"),
    ],
)
def test_a_concat_is_the_birth_date_and_five_letters_of_each_name(
    first_names: str, surname: str, expected: str
) -> None:
    assert concat(named(first_names, surname)) == expected


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_concat_has_eighteen_permitted_characters_whatever_the_name(
    first_names: str, surname: str
) -> None:
    try:
        text = concat(named(first_names, surname))
    except NoPermittedIdentifier:
        return
    assert len(text) == 18
    assert set(text[8:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ#")
    assert text[8] != "#"
    assert text[13] != "#"


def test_a_name_without_letters_makes_no_concat() -> None:
    with pytest.raises(NoPermittedIdentifier):
        concat(named("Anna", "---"))


@pytest.mark.parametrize(
    ("nationalities", "expected"),
    [
        (("SE", "DE"), "DE"),
        (("US", "SE"), "SE"),
        (("US", "CH"), "CH"),
        (("FR",), "FR"),
    ],
)
def test_the_first_eea_nationality_decides_and_beats_all_others(
    nationalities: tuple[str, ...], expected: str
) -> None:
    assert decisive_nationality(nationalities) == expected


def test_a_german_is_reported_by_concat_even_with_a_passport_on_file() -> None:
    anna = NaturalPerson("Anna", "Muster", date(1990, 1, 15), ("DE",), passports={"DE": "C01X0006"})

    assert designate(anna) == Designation("DE19900115ANNA#MUSTE", IdKind.CONCAT)


def test_a_swiss_is_reported_by_passport_before_concat() -> None:
    anna = NaturalPerson("Anna", "Muster", date(1990, 1, 15), ("CH",), passports={"CH": "x 123-45"})

    assert designate(anna) == Designation("CHX12345", IdKind.PASSPORT)


def test_a_passport_of_another_country_does_not_count() -> None:
    anna = NaturalPerson("Anna", "Muster", date(1990, 1, 15), ("CH",), passports={"BR": "X12345"})

    assert designate(anna) == Designation("CH19900115ANNA#MUSTE", IdKind.CONCAT)


def test_an_italian_without_a_fiscal_code_cannot_be_reported() -> None:
    giulia = NaturalPerson("Giulia", "Rossi", date(1990, 1, 15), ("IT",), passports={"IT": "Y1"})

    with pytest.raises(NoPermittedIdentifier):
        designate(giulia)


def test_a_person_without_nationality_cannot_be_reported() -> None:
    with pytest.raises(NoPermittedIdentifier):
        designate(NaturalPerson("Anna", "Muster", date(1990, 1, 15), ()))


def test_a_finnish_code_keeps_its_century_sign() -> None:
    matti = NaturalPerson(
        "Matti", "Virtanen", date(1952, 10, 13), ("FI",), national_ids={"FI": "131052-308T"}
    )

    assert designate(matti) == Designation("FI131052-308T", IdKind.NATIONAL)


def test_all_first_names_are_reported_separated_by_commas() -> None:
    assert report_names(named("Anna  Maria, Eva", "von  der Müster")) == (
        "ANNA,MARIA,EVA",
        "VON DER MÜSTER",
    )
