"""Sweeping: take each open row one step on, and let none of them stop the others.

A row that cannot go on keeps its state and says why in `problem`, which staff
see; it is cleared by the step that succeeds. A party that cannot be reached is not
asked again for every row behind the first few: an hour's silence would else be
an hour of time-outs, and the worker could do nothing else meanwhile. One that
answers nonsense about a row is asked about the next.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, models
from django.db.models import Q, QuerySet
from psycopg.errors import TransactionRollback

from custody.gateways.chain import ChainError
from kernel import faults
from kernel.gateways import GatewaySilent, GatewayUnavailable
from kernel.refusals import Refusal

logger = logging.getLogger(__name__)

ROWS_READ_AT_ONCE = 500
SILENCES_MAX = 3  # in a row; then the party is taken to be away
PROBLEM_CHARS_MAX = 200

Row = TypeVar("Row", bound=models.Model)


def sweep_rows(rows: Iterable[Row], step: Callable[[Row], bool]) -> int:
    """Take every row one step; how many moved.

    :raises GatewaySilent: a party could not be reached for SILENCES_MAX rows in a row.
    """
    moved = silences = 0
    for row in rows:
        try:
            faults.reach("worker.before_step")
            moved += step(row)
            faults.reach("worker.after_step")
            silences = 0
        except GatewaySilent as silence:
            note_problem(row, str(silence))
            silences += 1
            if silences == SILENCES_MAX:
                raise
        except (OperationalError, InterfaceError) as failure:
            if not isinstance(failure.__cause__, TransactionRollback):
                raise  # the database itself: nothing can be noted
            logger.warning("%s stays, somebody else was moving it: %s", row, failure)
        except (GatewayUnavailable, ChainError, Refusal) as failure:
            logger.warning("%s stays: %s", row, failure)
            note_problem(row, str(failure))
        except Exception as bug:
            # Loud, but it must not keep the rows behind it from moving.
            logger.exception("%s stays", row)
            note_problem(row, f"{type(bug).__name__}: {bug}")
        else:
            note_problem(row, "")
    return moved


def in_order(rows: QuerySet[Row], moment: str) -> Iterator[Row]:
    """All rows, oldest first, read in pages: a limit would let the oldest hide the rest."""
    page = list(rows.order_by(moment, "id")[:ROWS_READ_AT_ONCE])
    while page:
        yield from page
        if len(page) < ROWS_READ_AT_ONCE:
            return
        last: Any = page[-1]
        at, id = getattr(last, moment), last.pk
        later = Q(**{f"{moment}__gt": at}) | Q(**{moment: at, "id__gt": id})
        page = list(rows.filter(later).order_by(moment, "id")[:ROWS_READ_AT_ONCE])


def note_problem(row: models.Model, problem: str) -> None:
    """Say on the row why it does not go on; "": it does."""
    known: Any = row
    text = problem[:PROBLEM_CHARS_MAX]
    if known.problem != text:
        type(known).objects.filter(pk=row.pk).update(problem=text)
        known.problem = text
