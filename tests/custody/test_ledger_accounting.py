"""Worked examples, as an accountant would book them on paper; docs/ledger.md has the same.

Investors' and the house's accounts are positive, outside parties' negative, and per
asset everything sums to zero.
"""

from datetime import timedelta

import pytest

from custody import ledger
from tests.ledger_stories import NOON, Books


@pytest.fixture
def books(db: None) -> Books:
    return Books()


ALL_ZERO = {"USDC": "0", "USD": "0", "AAPLx": "0", "AAPL": "0"}


def test_a_deposit_is_owed_to_the_investor_and_lies_on_the_chain(books: Books) -> None:
    books.book("deposit", {"chain USDC": "-1000", "alice main USDC": "+1000"})

    assert books["alice main USDC"] == "1000"
    assert books["chain USDC"] == "-1000"
    assert books.trial_balance() == ALL_ZERO


def test_shares_are_bought_settled_and_put_behind_minted_tokens(books: Books) -> None:
    books.book("custodian prefunded", {"custodian_cash USD": "-20000", "prefunding USD": "+20000"})

    books.book(
        "shares bought",
        {
            "custodian_bought AAPL": "-100",
            "shares_unsettled AAPL": "+100",
            "prefunding USD": "-19000",
            "payable USD": "+19000",
        },
    )
    # The dollars still lie at the broker, and are owed to it: less is left to buy with.
    assert books["custodian_cash USD"] == "-20000"
    assert books["prefunding USD"] == "1000"

    books.book(
        "shares allocated",
        {
            "custodian_bought AAPL": "+100",
            "custodian_allocated AAPL": "-100",
            "shares_unsettled AAPL": "-100",
            "shares_allocated AAPL": "+100",
        },
    )
    books.book(
        "shares settled",
        {
            "custodian_allocated AAPL": "+100",
            "custodian_settled AAPL": "-100",
            "shares_allocated AAPL": "-100",
            "shares_free AAPL": "+100",
            "payable USD": "-19000",
            "custodian_cash USD": "+19000",
        },
    )
    assert books["payable USD"] == "0"
    assert books["custodian_cash USD"] == "-1000"
    books.book(
        "mint",
        {
            "shares_free AAPL": "-100",
            "shares_backing AAPL": "+100",
            "chain_issuance AAPLx": "-100",
            "inventory AAPLx": "+100",
        },
    )

    assert books["shares_backing AAPL"] == "100"
    assert books["custodian_settled AAPL"] == "-100"
    assert books["inventory AAPLx"] == "100"
    assert books.trial_balance() == ALL_ZERO


def test_tokens_sold_are_the_investors_at_once_and_move_on_the_chain_later(books: Books) -> None:
    books.give("inventory AAPLx", "100")
    books.book("tokens moved", {"chain AAPLx": "+100", "chain_issuance AAPLx": "-100"})
    books.give("alice main USDC", "950")

    books.book(
        "inventory sold",
        {
            "inventory AAPLx": "-5",
            "alice main AAPLx": "+5",
            "alice main USDC": "-950",
            "treasury USDC": "+950",
        },
    )
    # Sold, and not moved yet: the issuance wallet holds five more than the inventory.
    assert books["chain_issuance AAPLx"] == "-100"
    assert books["inventory AAPLx"] == "95"
    books.book("tokens moved", {"chain_issuance AAPLx": "+5", "chain AAPLx": "-5"})

    assert books["chain_issuance AAPLx"] == "-95"
    assert books["chain AAPLx"] == "-5"
    assert books.trial_balance() == ALL_ZERO


def test_tokens_cannot_be_minted_against_shares_that_are_not_there(books: Books) -> None:
    with pytest.raises(ledger.InsufficientUnits):
        books.book(
            "mint",
            {
                "shares_free AAPL": "-1",
                "shares_backing AAPL": "+1",
                "chain AAPLx": "-1",
                "inventory AAPLx": "+1",
            },
        )

    assert books.trial_balance() == ALL_ZERO


def test_a_trade_moves_cash_tokens_and_both_fees_at_once(books: Books) -> None:
    books.book("deposit", {"chain USDC": "-1000", "alice main USDC": "+1000"})
    books.give("bob main AAPLx", "5")
    books.book("pool in requested", {"alice main USDC": "-1000", "transit USDC": "+1000"})
    books.book("pool in requested", {"bob main AAPLx": "-5", "transit AAPLx": "+5"})
    books.book_as_engine("pool in done", {"transit USDC": "-1000", "alice trading USDC": "+1000"})
    books.book_as_engine("pool in done", {"transit AAPLx": "-5", "bob trading AAPLx": "+5"})

    # 2 AAPLx at 190.00; the taker pays 0.25 %, the maker 0.10 %, each rounded up.
    books.book_as_engine(
        "trade",
        {
            "bob trading AAPLx": "-2",
            "alice trading AAPLx": "+2",
            "alice trading USDC": "-380.95",
            "bob trading USDC": "+379.62",
            "fees USDC": "+1.33",
        },
    )

    assert books["alice trading USDC"] == "619.05"
    assert books["alice trading AAPLx"] == "2"
    assert books["bob trading USDC"] == "379.62"
    assert books["fees USDC"] == "1.33"
    assert books["transit USDC"] == "0"
    assert books.trial_balance() == ALL_ZERO


def test_a_redemption_goes_through_escrow_to_cash(books: Books) -> None:
    books.give("alice main AAPLx", "4")
    books.give("treasury USDC", "10000")

    books.book("redemption held", {"alice main AAPLx": "-4", "alice redemption AAPLx": "+4"})
    books.book("sale filled", {"receivable USD": "-760", "prefunding USD": "+760"})
    books.book(
        "burn",
        {
            "alice redemption AAPLx": "-4",
            "chain AAPLx": "+4",
            "shares_backing AAPL": "-4",
            "shares_free AAPL": "+4",
        },
    )
    books.book("shares sold", {"shares_free AAPL": "-4", "custodian_settled AAPL": "+4"})
    books.book(
        "redemption paid",
        {"treasury USDC": "-760", "alice main USDC": "+758.1", "fees USDC": "+1.9"},
    )
    # The broker still owes the dollars; they are free to buy with all the same.
    assert books["receivable USD"] == "-760"
    assert books["custodian_cash USD"] == "0"
    books.book("sale settled", {"receivable USD": "+760", "custodian_cash USD": "-760"})

    assert books["alice main USDC"] == "758.1"
    assert books["chain AAPLx"] == "0"
    assert books["custodian_settled AAPL"] == "0"
    assert books["prefunding USD"] == "760"
    assert books["receivable USD"] == "0"
    assert books.trial_balance() == ALL_ZERO


def test_a_year_ends_with_a_profit_that_becomes_capital_and_is_taken_out(books: Books) -> None:
    books.give("treasury USDC", "1000")
    books.book("capital paid in", {"treasury USDC": "-1000", "equity USDC": "+1000"})
    books.give("fees USDC", "250")

    books.book("fees closed", {"fees USDC": "-250", "result USDC": "+250"})
    books.book("cost booked", {"result USDC": "-40", "chain USDC": "+40"})
    books.book("loss booked", {"result USDC": "-300", "chain USDC": "+300"})
    assert books["result USDC"] == "-90"
    books.book("loss covered", {"equity USDC": "-90", "result USDC": "+90"})
    books.book("capital withdrawn", {"equity USDC": "-910", "chain USDC": "+910"})

    assert books["result USDC"] == "0"
    assert books["chain USDC"] == "0"
    assert books.trial_balance() == ALL_ZERO


def test_a_dividend_is_owed_to_holders_and_its_tax_to_an_office(books: Books) -> None:
    books.give("treasury USDC", "100")
    books.book("dividend received", {"custodian_cash USD": "-100", "dividends_payable USD": "+100"})
    books.book(
        "tax withheld", {"dividends_payable USD": "-15", "withholding_tax_payable USD": "+15"}
    )
    books.book("tax remitted", {"withholding_tax_payable USD": "-15", "custodian_cash USD": "+15"})

    books.book(
        "dividend paid",
        {
            "dividends_payable USD": "-85",
            "prefunding USD": "+85",
            "treasury USDC": "-85",
            "alice main USDC": "+85",
        },
    )

    assert books["custodian_cash USD"] == "-85"
    assert books["dividends_payable USD"] == "0"
    assert books.trial_balance() == ALL_ZERO


def test_nobody_is_paid_more_dividend_than_was_received(books: Books) -> None:
    books.book("dividend received", {"custodian_cash USD": "-10", "dividends_payable USD": "+10"})

    with pytest.raises(ledger.InsufficientUnits):
        books.book("dividend reinvested", {"dividends_payable USD": "-11", "prefunding USD": "+11"})


def test_what_is_pledged_cannot_be_spent(books: Books) -> None:
    books.give("alice main USDC", "50")
    books.book("pledge placed", {"alice main USDC": "-50", "alice pledged USDC": "+50"})

    with pytest.raises(ledger.InsufficientUnits):
        books.book("spent", {"alice main USDC": "-1", "treasury USDC": "+1"})

    assert books["alice pledged USDC"] == "50"


def test_a_mistake_is_reversed_by_an_entry_that_names_it(books: Books) -> None:
    wrong = books.book("deposit", {"chain USDC": "-10", "bob main USDC": "+10"})

    reversal = ledger.reverse(
        entry_id=wrong, key="reversal:1", reference="credited to the wrong investor", now=NOON
    )

    assert books["bob main USDC"] == "0"
    assert books["chain USDC"] == "0"
    entry = ledger.JournalEntry.objects.get(id=reversal)
    assert entry.reverses_id == wrong
    assert entry.kind == "reversal of deposit"


def test_an_entry_is_reversed_once(books: Books) -> None:
    wrong = books.book("deposit", {"chain USDC": "-10", "bob main USDC": "+10"})
    books.book("deposit", {"chain USDC": "-10", "bob main USDC": "+10"})
    first = ledger.reverse(entry_id=wrong, key="reversal:1", reference="", now=NOON)

    with pytest.raises(ledger.AlreadyReversed):
        ledger.reverse(entry_id=wrong, key="reversal:2", reference="", now=NOON)

    assert first == ledger.reverse(
        entry_id=wrong, key="reversal:1", reference="", now=NOON + timedelta(hours=1)
    )
    assert books["bob main USDC"] == "10"
