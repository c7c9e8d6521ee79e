"""How a transaction report names a natural person (Delegated Regulation (EU) 2017/590, Article 6).

The designation is the country of nationality followed by the identifier of the
highest priority in Annex II that the person has; where that is CONCAT, birth
date and five letters each of first name and surname, padded with `#`.

Annex II and the prefixes that are left out (ESMA/2016/1452, block on CONCAT)
are written down here by hand; check them before a first filing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from anyascii import anyascii

NAME_LETTERS = 5


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


class IdKind(StrEnum):
    NATIONAL = "NIDN"
    PASSPORT = "CCPT"
    CONCAT = "CONCAT"


EEA = frozenset(
    _words("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO")
    + _words("SE SI SK")
)
_CONCAT_ONLY = (IdKind.CONCAT,)
_NATIONAL_ONLY = (IdKind.NATIONAL,)
_NATIONAL_FIRST = (IdKind.NATIONAL, IdKind.CONCAT)
_NATIONAL_PASSPORT = (IdKind.NATIONAL, IdKind.PASSPORT, IdKind.CONCAT)
_PASSPORT_NATIONAL = (IdKind.PASSPORT, IdKind.NATIONAL, IdKind.CONCAT)
# Annex II, first to last priority. Not listed: passport, then CONCAT ("all other countries").
PRIORITIES: Mapping[str, tuple[IdKind, ...]] = {
    **dict.fromkeys(_words("AT DE FR HU IE LU"), _CONCAT_ONLY),
    **dict.fromkeys(_words("BE BG DK FI GB GR HR LV NO SE SI"), _NATIONAL_FIRST),
    **dict.fromkeys(_words("CZ LT PT RO SK"), _NATIONAL_PASSPORT),
    **dict.fromkeys(_words("LI NL"), _PASSPORT_NATIONAL),
    **dict.fromkeys(_words("EE ES IS IT PL"), _NATIONAL_ONLY),
    "MT": (IdKind.NATIONAL, IdKind.PASSPORT),
    "CY": (IdKind.PASSPORT, IdKind.CONCAT),
}
ALL_OTHER_COUNTRIES = (IdKind.PASSPORT, IdKind.CONCAT)

# Left out when they stand as words of their own; "McDonald" and "O'Brien" keep theirs.
PREFIXES = frozenset(
    _words("am auf d da de del di do dos du im la le mac mc mhac mhíc mic ni ní níc o ó ua ui uí")
    + _words("van vom von")
    + ("auf dem", "aus der", "de l'", "de la", "de le", "mhic giolla")
    + ("van de", "van den", "van der", "von dem", "von den", "von der")
)
_PREFIX_WORDS_MAX = max(len(prefix.split()) for prefix in PREFIXES)
_TITLES = frozenset(
    _words("atty coach dame dr fr gov honorable madame mademoiselle master miss monsieur mr mrs")
    + _words("ms mx ofc pres prof rev sir st")
)


class NoPermittedIdentifier(ValueError):
    """The nationality demands an identifier that is not on file."""


@dataclass(frozen=True, slots=True)
class NaturalPerson:
    """What a report needs of a person; `nationalities` and ids are as on the documents."""

    first_names: str
    surname: str
    birth_date: date
    nationalities: tuple[str, ...]  # ISO 3166-1 alpha-2
    national_ids: Mapping[str, str] = field(default_factory=dict)  # by country
    passports: Mapping[str, str] = field(default_factory=dict)  # by country


@dataclass(frozen=True, slots=True)
class Designation:
    """Fields 7 and 16: the value, and which kind of identifier it is."""

    value: str
    kind: IdKind


def designate(person: NaturalPerson) -> Designation:
    """The identifier of highest priority that the person has.

    :raises NoPermittedIdentifier: the country allows no CONCAT and its number is missing.
    """
    country = decisive_nationality(person.nationalities)
    on_file = {IdKind.NATIONAL: person.national_ids, IdKind.PASSPORT: person.passports}
    for kind in PRIORITIES.get(country, ALL_OTHER_COUNTRIES):
        if kind is IdKind.CONCAT:
            return Designation(country + concat(person), kind)
        number = _plain_number(on_file[kind].get(country, ""), country)
        if number:
            return Designation(country + number, kind)
    raise NoPermittedIdentifier(f"A national of {country} is reported by a number not on file.")


def decisive_nationality(nationalities: tuple[str, ...]) -> str:
    """Article 6(3): the first EEA one in alphabetical order, else the first one."""
    if not nationalities:
        raise NoPermittedIdentifier("The nationality is not on file.")
    return min([n for n in nationalities if n in EEA] or nationalities)


def concat(person: NaturalPerson) -> str:
    """Article 6(4): 19900115ANNA#MUSTE, without the country."""
    first, surname = _letters(person.first_names, first_word=True), _letters(person.surname)
    if not first or not surname:
        # "#####" is for names shorter than five letters, not for a missing name.
        raise NoPermittedIdentifier("The name holds no letters to make a CONCAT of.")
    return f"{person.birth_date:%Y%m%d}{first:#<{NAME_LETTERS}}{surname:#<{NAME_LETTERS}}"


def report_names(person: NaturalPerson) -> tuple[str, str]:
    """Fields 9 and 10: all first names separated by commas, and the surname; upper case."""
    first_names = ",".join(person.first_names.upper().replace(",", " ").split())
    return first_names, " ".join(person.surname.upper().split())


def _letters(name: str, *, first_word: bool = False) -> str:
    """The first letters A to Z of a name without titles and prefixes, upper case."""
    words = _without_titles_and_prefixes(name.replace("’", "'").casefold().split())
    text = words[0] if first_word and words else "".join(words)
    return re.sub(r"[^A-Z]", "", anyascii(text).upper())[:NAME_LETTERS]


def _without_titles_and_prefixes(words: list[str]) -> list[str]:
    """Drop leading titles and prefixes, but never the last word: it is the name."""
    while len(words) > 1:
        if words[0].rstrip(".") in _TITLES:
            words = words[1:]
            continue
        longest = min(_PREFIX_WORDS_MAX, len(words) - 1)
        taken = next((n for n in range(longest, 0, -1) if " ".join(words[:n]) in PREFIXES), 0)
        if not taken:
            return words
        words = words[taken:]
    return words


def _plain_number(number: str, country: str) -> str:
    """The number in the characters that field 7 allows; Finland's and Latvia's keep their sign."""
    kept = {"FI": r"[^A-Z0-9+\-]", "LV": r"[^A-Z0-9\-]"}.get(country, r"[^A-Z0-9]")
    return re.sub(kept, "", number.upper())[:33]
