"""A day's transactions as the file that MiFIR asks for, from values to bytes.

auth.016.001.01 in ESMA's usage guideline Reporting 1.1.0, with a head.001
header, both in a head.003 envelope. This module knows no Django, reads no clock
and always makes the same bytes of the same values.

See docs/exports.md for what each field is filled with and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from lxml import etree
from stdnum import lei

from reporting.natural_persons import Designation, IdKind

MESSAGE_NAME = "auth.016.001.01"
SCHEMA_NAME = "auth.016.001.01_ESMAUG_Reporting_1.1.0"
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
BODY_NAMESPACE = _NAMESPACE + MESSAGE_NAME
HEADER_NAMESPACE = _NAMESPACE + "head.001.001.01"
ENVELOPE_NAMESPACE = _NAMESPACE + "head.003.001.01"
BUSINESS_MESSAGE_ID_CHARS_MAX = 35

# AOTC: for clients on both sides; DEAL: our own money on one side (fields 29, 57, 59).
Capacity = Literal["DEAL", "AOTC"]


@dataclass(frozen=True, slots=True)
class Person:
    """A client who is a natural person (fields 7 and 9 to 11)."""

    designation: Designation
    first_names: str
    surname: str
    birth_date_iso: str


@dataclass(frozen=True, slots=True)
class Firm:
    """A client, or ourselves, named by LEI."""

    lei: str


Party = Person | Firm


@dataclass(frozen=True, slots=True)
class Transaction:
    """One trade as reported by the firm that runs the venue."""

    trade_id: UUID
    traded_at: datetime
    isin: str
    quantity: Decimal  # whole tokens
    price: Decimal  # per token
    currency: str  # ISO 4217
    buyer: Party
    seller: Party
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class ReportingFirm:
    """Who reports, and to whom."""

    lei: str
    country: str  # home Member State; its authority receives the file
    venue_mic: str
    decision_algorithm: str  # field 57 when we deal for ourselves
    execution_algorithm: str  # field 59 then; a client's own decision is NORE


def build_file(
    *,
    firm: ReportingFirm,
    transactions: Sequence[Transaction],
    message_id: str,
    created_at: datetime,
) -> bytes:
    """The whole file, UTF-8. The message demands at least one transaction."""
    assert transactions, "auth.016 cannot be empty"
    assert len(message_id) <= BUSINESS_MESSAGE_ID_CHARS_MAX
    assert lei.is_valid(firm.lei)
    envelope = etree.Element(
        etree.QName(ENVELOPE_NAMESPACE, "BizData"), nsmap=_default(ENVELOPE_NAMESPACE)
    )
    header = _add(envelope, "Hdr")
    header.append(_header(firm=firm, message_id=message_id, created_at=created_at))
    payload = _add(envelope, "Pyld")
    payload.append(_document(firm=firm, transactions=transactions))
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def is_valid_lei(text: str) -> bool:
    """ISO 17442: 20 characters whose MOD 97-10 check digits fit."""
    return len(text) == 20 and text == text.upper() and bool(lei.is_valid(text))


def utc_text(moment: datetime) -> str:
    """`2026-03-02T14:30:00.123456Z`, always with microseconds."""
    assert moment.tzinfo is not None, "a reported time has a zone"
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decimal_text(number: Decimal) -> str:
    """Plain digits, without an exponent and without zeros that say nothing."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def transaction_reference(trade_id: UUID) -> str:
    """Field 2: at most 52 capital letters and digits, unique for the firm."""
    return trade_id.hex.upper()


def _default(namespace: str) -> dict[str, str]:
    """The namespace map that writes names without a prefix; lxml's key for that is None."""
    return {None: namespace}  # type: ignore[dict-item]


def _header(*, firm: ReportingFirm, message_id: str, created_at: datetime) -> etree._Element:
    header = etree.Element(
        etree.QName(HEADER_NAMESPACE, "AppHdr"), nsmap=_default(HEADER_NAMESPACE)
    )
    for side, identifier in (("Fr", firm.lei), ("To", firm.country)):
        outer = _add(_add(_add(header, side), "OrgId"), "Id")
        _add(_add(_add(outer, "OrgId"), "Othr"), "Id", identifier)
    _add(header, "BizMsgIdr", message_id)
    _add(header, "MsgDefIdr", MESSAGE_NAME)
    _add(header, "CreDt", utc_text(created_at))
    return header


def _document(*, firm: ReportingFirm, transactions: Sequence[Transaction]) -> etree._Element:
    document = etree.Element(
        etree.QName(BODY_NAMESPACE, "Document"), nsmap=_default(BODY_NAMESPACE)
    )
    report = _add(document, "FinInstrmRptgTxRpt")
    for transaction in transactions:
        _add_new(_add(report, "Tx"), firm, transaction)
    return document


def _add_new(parent: etree._Element, firm: ReportingFirm, transaction: Transaction) -> None:
    new = _add(parent, "New")
    _add(new, "TxId", transaction_reference(transaction.trade_id))
    _add(new, "ExctgPty", firm.lei)
    _add(new, "InvstmtPtyInd", "true")
    _add(new, "SubmitgPty", firm.lei)
    _add_party(_add(new, "Buyr"), firm, transaction.buyer)
    _add_party(_add(new, "Sellr"), firm, transaction.seller)
    _add(_add(new, "OrdrTrnsmssn"), "TrnsmssnInd", "false")
    _add_terms(_add(new, "Tx"), firm, transaction)
    _add(_add(new, "FinInstrm"), "Id", transaction.isin)
    _add_deciders(new, firm, transaction)
    _add(_add(new, "AddtlAttrbts"), "SctiesFincgTxInd", "false")


def _add_party(parent: etree._Element, firm: ReportingFirm, party: Party) -> None:
    owner = _add(parent, "AcctOwnr")
    identity = _add(owner, "Id")
    if isinstance(party, Firm):
        _add(identity, "LEI", party.lei)
    else:
        _add_person(_add(identity, "Prsn"), party)
    # Field 8: the home Member State where no branch received the client's order.
    if party != Firm(firm.lei):
        _add(owner, "CtryOfBrnch", firm.country)


def _add_person(parent: etree._Element, person: Person) -> None:
    _add(parent, "FrstNm", person.first_names)
    _add(parent, "Nm", person.surname)
    _add(parent, "BirthDt", person.birth_date_iso)
    other = _add(parent, "Othr")
    _add(other, "Id", person.designation.value)
    scheme = _add(other, "SchmeNm")
    is_concat = person.designation.kind is IdKind.CONCAT
    _add(scheme, "Prtry" if is_concat else "Cd", person.designation.kind.value)


def _add_terms(parent: etree._Element, firm: ReportingFirm, transaction: Transaction) -> None:
    _add(parent, "TradDt", utc_text(transaction.traded_at))
    _add(parent, "TradgCpcty", transaction.capacity)
    _add(_add(parent, "Qty"), "Unit", decimal_text(transaction.quantity))
    amount = _add(_add(_add(parent, "Pric"), "Pric"), "MntryVal")
    _add(amount, "Amt", decimal_text(transaction.price)).set("Ccy", transaction.currency)
    _add(parent, "TradVn", firm.venue_mic)
    # Field 3: ours as the venue, so both reports of a trade carry the same one.
    _add(parent, "TradPlcMtchgId", transaction_reference(transaction.trade_id))


def _add_deciders(parent: etree._Element, firm: ReportingFirm, transaction: Transaction) -> None:
    """Fields 57 and 59: an algorithm when we deal, the client otherwise."""
    if transaction.capacity == "DEAL":
        _add(_add(parent, "InvstmtDcsnPrsn"), "Algo", firm.decision_algorithm)
        _add(_add(parent, "ExctgPrsn"), "Algo", firm.execution_algorithm)
    else:
        _add(_add(parent, "ExctgPrsn"), "Clnt", "NORE")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    """A child in the parent's namespace."""
    child = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    child.text = text
    return child
