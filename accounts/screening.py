"""Is this name close to a sanctioned one?

Names are written in Latin letters (anyascii), split at everything that is no
letter or digit, folded to one spelling of what languages transliterate apart,
and compared by edit distance both as written and with their words sorted; so
order, accents, hyphens and a typing error do not hide anybody. The birth date
then speaks for or against: it moves the score, but never silences an exact name.

The names of the current lists are kept in memory, once per process.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz import fuzz, process

from accounts import queries
from accounts.models import SanctionsEntry, ScreeningHit

BirthDate = ScreeningHit.BirthDate

# Tuned on the lists of 2021 (tests/accounts/test_screening.py): every listed name is found,
# with one typing error too; of common European names 1 in 100 waits for staff at most.
HIT_SCORE_MIN = 87
BIRTH_DATE_MATCHES_BONUS = 5
BIRTH_DATE_DIFFERS_MALUS = 3
# Lists carry years that are off by one, and dates of several calendars.
BIRTH_YEAR_TOLERANCE = 1
# A name that is a part of a listed one ("Ayman Zawahiri") counts only beside the birth date.
PART_SCORE = 85
PART_LETTERS_MIN = 10
HITS_MAX = 20
# In this order: longer groups first.
FOLDED = (
    ("tsch", "ch"), ("tch", "ch"), ("sch", "sh"), ("dzh", "j"), ("dj", "j"), ("ph", "f"),
    ("kh", "h"), ("ck", "k"), ("ou", "u"), ("oo", "u"), ("ee", "i"), ("ae", "a"), ("oe", "o"),
    ("ue", "u"), ("w", "v"), ("y", "i"), ("q", "k"), ("z", "s"),
)  # fmt: skip
_DOUBLED = re.compile(r"(.)\1")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_JOINERS = re.compile(r"[-'’`ʼ]")


class NoSanctionsLists(Exception):
    """No list is loaded, so nobody can be screened."""


@dataclass(frozen=True, kw_only=True)
class Match:
    entry_id: int
    matched_name: str
    score: int  # 0 to 100
    birth_date: str  # of ScreeningHit.BirthDate


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One spelling of one sanctioned person."""

    entry_id: int
    name: str  # as written
    years: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Index:
    spellings: list[str]  # parallel to `listed`
    listed: list[Listed]
    by_year: dict[int, list[int]]  # birth year -> positions


def screen(*, names: Iterable[str], birth_date: date) -> list[Match]:
    """Entries of the current lists whose name is close to one of `names`, as `search`.

    :raises NoSanctionsLists: as it says; the caller must not take that for "clean".
    """
    return search(get_index(), names=names, birth_date=birth_date)


def search(index: Index, *, names: Iterable[str], birth_date: date) -> list[Match]:
    """Entries of `index` that score HIT_SCORE_MIN or more, best first, at most HITS_MAX."""
    best: dict[int, Match] = {}
    for name in names:
        for position, base in _closest(index, name, birth_date):
            match = _judge(index.listed[position], base, birth_date)
            known = best.get(match.entry_id)
            if match.score >= HIT_SCORE_MIN and (known is None or known.score < match.score):
                best[match.entry_id] = match
    return sorted(best.values(), key=lambda match: -match.score)[:HITS_MAX]


def normalise(name: str) -> str:
    """Latin letters, folded, in the order written: "Müller-Lüdenscheid" -> "muler ludenscheid"."""
    return " ".join(_words(name))


def spellings(name: str) -> set[str]:
    """As written and with its words sorted; hyphens and apostrophes as a space and as nothing."""
    found = set()
    for text in (name, _JOINERS.sub("", name)):
        words = _words(text)
        found |= {" ".join(words), " ".join(sorted(words))}
    return found


def get_index() -> Index:
    """The current lists in memory; read again when another list became current.

    :raises NoSanctionsLists: none is loaded.
    """
    lists = queries.list_current_sanctions_lists()
    key = tuple(lists.values_list("id", "sha256", "loaded_at"))
    if not key:
        raise NoSanctionsLists
    return _load_index(key)


def build_index(rows: Iterable[tuple[int, list[str], list[str]]]) -> Index:
    """An index of (entry id, names, birth dates)."""
    index = Index(spellings=[], listed=[], by_year={})
    for entry_id, names, birth_dates in rows:
        years = tuple(int(text[:4]) for text in birth_dates)
        for name in names:
            _add(index, Listed(entry_id=entry_id, name=name, years=years))
    return index


@lru_cache(maxsize=1)
def _load_index(key: tuple[tuple[int, str, datetime], ...]) -> Index:
    """Persons only: an investor who is a person is not taken for a ship."""
    rows = SanctionsEntry.objects.filter(
        sanctions_list_id__in=[row[0] for row in key], kind=SanctionsEntry.Kind.PERSON
    ).values_list("id", "names", "birth_dates")
    return build_index(rows.iterator())


def _add(index: Index, listed: Listed) -> None:
    for spelling in spellings(listed.name):
        # A nickname of one short word would stop half the world.
        if len(spelling) < 4:
            continue
        for year in listed.years:
            index.by_year.setdefault(year, []).append(len(index.listed))
        index.spellings.append(spelling)
        index.listed.append(listed)


def _words(name: str) -> list[str]:
    return [_fold(word) for word in _SEPARATORS.split(anyascii(name).lower()) if word]


def _fold(word: str) -> str:
    """One spelling for what languages transliterate apart: Kadyrov, Kadirow -> kadirov."""
    for written, folded in FOLDED:
        word = word.replace(written, folded)
    return _DOUBLED.sub(r"\1", word)


def _closest(index: Index, name: str, birth_date: date) -> Iterable[tuple[int, float]]:
    """(position, score of the name alone)."""
    cutoff = HIT_SCORE_MIN - BIRTH_DATE_MATCHES_BONUS
    for spelling in _readings(name):
        found = process.extract(
            spelling, index.spellings, scorer=fuzz.ratio, score_cutoff=cutoff, limit=None,
            processor=None,
        )  # fmt: skip
        yield from ((position, score) for _, score, position in found)
    yield from ((position, PART_SCORE) for position in _parts(index, name, birth_date))


def _readings(name: str) -> set[str]:
    """The spellings, and the same with the last word first and with the first word last.

    Sorting alone fails when the typing error is in the letter that sorts.
    """
    found = spellings(name)
    for text in list(found):
        words = text.split()
        found |= {" ".join(words[-1:] + words[:-1]), " ".join(words[1:] + words[:1])}
    return found


def _parts(index: Index, name: str, birth_date: date) -> Iterable[int]:
    words = set(_words(name))
    if len(words) < 2:
        return
    years = range(birth_date.year - BIRTH_YEAR_TOLERANCE, birth_date.year + 2)
    for position in {place for year in years for place in index.by_year.get(year, [])}:
        shared = words & set(index.spellings[position].split())
        listed_words = index.spellings[position].count(" ") + 1
        enough = len(shared) >= 2 and sum(map(len, shared)) >= PART_LETTERS_MIN
        if enough and len(shared) in {len(words), listed_words}:
            yield position


def _judge(listed: Listed, base: float, birth_date: date) -> Match:
    if not listed.years:
        verdict, change = BirthDate.UNKNOWN, 0
    elif any(abs(year - birth_date.year) <= BIRTH_YEAR_TOLERANCE for year in listed.years):
        verdict, change = BirthDate.MATCHES, BIRTH_DATE_MATCHES_BONUS
    else:
        verdict, change = BirthDate.DIFFERS, -BIRTH_DATE_DIFFERS_MALUS
    score = max(0, min(100, round(base) + change))
    return Match(
        entry_id=listed.entry_id, matched_name=listed.name, score=score, birth_date=verdict
    )
