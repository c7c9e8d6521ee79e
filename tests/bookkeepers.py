"""Verbs of the house's bookkeeping for tests: two officers and the books."""

from django.contrib.auth.models import Permission

from accounts import approvals
from accounts.models import Proposal, User
from custody.entry_kinds import EntryKind
from custody.models import JournalEntry
from custody.operations.house_entries import Draft, propose_entry, propose_reversal
from custody.operations.house_templates import TEMPLATES
from tests.ledger_stories import NOON, Books


def make_bookkeeper(name: str) -> User:
    officer = User.objects.create_user(email=f"{name}@example.com", is_staff=True)
    officer.user_permissions.add(Permission.objects.get(codename="add_houseentry"))
    return User.objects.get(pk=officer.pk)  # without the cached permissions


class Office:
    """Two bookkeepers and the books."""

    def __init__(self) -> None:
        self.books = Books()
        self.maker, self.checker = make_bookkeeper("mia"), make_bookkeeper("chen")

    def draft(
        self,
        kind: EntryKind,
        amount: str,
        investor: str = "",
        *,
        document: str = "statement 7",
        pool: int = 0,
    ) -> Draft:
        number, code = amount.split()
        return Draft(
            template=TEMPLATES[kind],
            asset=self.books.assets[code],
            units=self.books.units(f"x {code}", number),
            investor=self.books.investors[investor] if investor else None,
            pool=pool,
            document=document,
        )

    def propose(self, kind: EntryKind, amount: str, investor: str = "", **more: object) -> Proposal:
        draft = self.draft(kind, amount, investor, **more)  # type: ignore[arg-type]
        return propose_entry(draft=draft, maker=self.maker, reason="it happened", now=NOON)

    def confirm(self, proposal: Proposal) -> None:
        approvals.confirm(
            proposal_id=proposal.id,
            checker=self.checker,
            body_hash=proposal.body_hash,
            now=NOON,
        )

    def book(self, kind: EntryKind, amount: str, investor: str = "", **more: object) -> int:
        """Both officers; the journal entry's id."""
        proposal = self.propose(kind, amount, investor, **more)
        self.confirm(proposal)
        return JournalEntry.objects.get(key=f"house_entry:{proposal.id}").pk

    def reverse(self, entry_id: int) -> None:
        proposal = propose_reversal(
            entry_id=entry_id, document="letter", maker=self.maker, reason="wrong", now=NOON
        )
        self.confirm(proposal)
