"""A statement as a file: CSV, Parquet, PDF.

All three have the same rows. The PDF is typeset and the Parquet file packed by a
process of its own (documents.py): their libraries are large, and the web process
stays as small as it is. What a file says is fixed by the seals that it stands on; the
same libraries make the same bytes of it whenever it is asked for again.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from anyascii import anyascii

from custody.models import Asset, Seal
from custody.sealing import seal_hash
from custody.statements.documents import make
from custody.statements.reading import Section, Statement
from custody.time_travel import StatementLine
from kernel.money import format_units
from kernel.refusals import Refusal

LINES_MAX = 50_000
# Some fifty pages; one takes a second and 200 MB while it is typeset.
PDF_LINES_MAX = 2_000
HEADER = ["time_utc", "seal", "entry", "kind", "reference", "asset", "amount", "balance"]
CASH_DECIMALS = 6


class StatementTooLong(Refusal):
    """There are too many lines. Choose fewer days."""

    code = "statement_too_long"


class NothingSealed(Refusal):
    """Nothing was sealed by the end of these days, so there is nothing to state."""

    code = "nothing_sealed"
    http_status = 409


def as_csv(found: Statement) -> bytes:
    """The lines between the opening and the closing balances; amounts in plain digits."""
    _check(found, LINES_MAX)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(_rows(found))
    return text.getvalue().encode()


def as_parquet(found: Statement) -> bytes:
    """The rows of the CSV, typed: times in UTC, amounts decimal128 with the asset's decimals."""
    until = _check(found, LINES_MAX)
    scale = max((section.asset.decimals for section in found.sections), default=CASH_DECIMALS)
    content = {
        "names": HEADER,
        "rows": [[value or None for value in row] for row in _rows(found)],
        "scale": scale,
        "metadata": {
            "bourse.statement": "1",
            "bourse.first_date": found.first_date.isoformat(),
            "bourse.last_date": found.last_date.isoformat(),
            "bourse.opening_seal": str(found.after.n) if found.after else "",
            "bourse.closing_seal": str(until.n),
            "bourse.closing_seal_hash": seal_hash(until).hex(),
            "bourse.seal_key_id": until.key_id,
        },
    }
    return make("custody.statements.columnar", content)


def as_pdf(found: Statement, *, read_name: Callable[[], str]) -> bytes:
    """A statement to print and to keep, PDF/A; whose name is read once it can be made.

    :raises StatementTooLong: more than PDF_LINES_MAX lines.
    """
    until = _check(found, PDF_LINES_MAX)
    name = read_name()
    content = {
        "name": name,
        # For letters that the typesetter has no glyph of.
        "latin_name": anyascii(name),
        "first_date": found.first_date.isoformat(),
        "last_date": found.last_date.isoformat(),
        "opening_seal": _seal(found.after) if found.after else None,
        "closing_seal": _seal(until),
        "sections": [_section(section) for section in found.sections],
    }
    return make("custody.statements.typeset", content)


def _check(found: Statement, lines_max: int) -> Seal:
    """The closing seal of a statement that is not too long."""
    if found.until is None:
        raise NothingSealed
    if found.lines_count > lines_max:
        raise StatementTooLong(
            f"There are {found.lines_count:,} lines; this file holds at most {lines_max:,}."
            " Choose fewer days."
        )
    return found.until


def _rows(found: Statement) -> Iterator[list[str]]:
    for section in found.sections:
        asset = section.asset
        yield _balance("opening balance", section.opening_units, section.after, asset)
        for line in section.lines():
            yield [
                line.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
                str(line.seal_n),
                str(line.entry_id),
                line.kind,
                line.reference,
                asset.code,
                format_units(line.units, asset.decimals),
                format_units(line.balance_units, asset.decimals),
            ]
        yield _balance("closing balance", section.closing_units, section.until, asset)


def _balance(name: str, units: int, seal: Seal | None, asset: Asset) -> list[str]:
    n = str(seal.n) if seal else ""
    return ["", n, "", name, "", asset.code, "", format_units(units, asset.decimals)]


def _section(section: Section) -> dict[str, Any]:
    asset = section.asset
    return {
        "code": asset.code,
        "asset_name": asset.name,
        "opening": _digits(section.opening_units, asset),
        "in": _digits(section.in_units, asset),
        "out": _digits(section.out_units, asset),
        "closing": _digits(section.closing_units, asset),
        "lines": [_line(line, asset) for line in section.lines()],
    }


def _line(line: StatementLine, asset: Asset) -> Sequence[str]:
    return (
        f"{line.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        str(line.entry_id),
        str(line.seal_n),
        line.kind[:1].upper() + line.kind[1:],
        _digits(line.units, asset),
        _digits(line.balance_units, asset),
    )


def _digits(units: int, asset: Asset) -> str:
    """Grouped, with a minus sign; at least two decimals for money."""
    places_min = 2 if asset.decimals == CASH_DECIMALS else 0
    whole, point, fraction = format_units(
        abs(units), asset.decimals, places_min=places_min
    ).partition(".")
    return f"{'−' if units < 0 else ''}{int(whole):,}{point}{fraction}"


def _seal(seal: Seal) -> dict[str, Any]:
    return {
        "n": seal.n,
        "sealed_at": _moment(seal.sealed_at),
        "hash": seal_hash(seal).hex(),
        "key_id": seal.key_id,
    }


def _moment(at: datetime) -> dict[str, int]:
    at = at.astimezone(UTC)
    return {
        "year": at.year,
        "month": at.month,
        "day": at.day,
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
    }
