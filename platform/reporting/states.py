"""The states of an export file, and the only moves between them."""

from enum import StrEnum

from kernel.refusals import Refusal


class ExportState(StrEnum):
    EMPTY = "empty"  # nothing to report that day
    NOT_VALIDATED = "not_validated"  # no official schema at hand: never final
    INVALID = "invalid"  # the official schema says no; see the errors
    VALIDATED = "validated"  # the official schema says yes
    RELEASED = "released"  # final: may be sent, never built again


# Building again is a move too, so a day may be exported as often as wanted until it is released.
BUILT = frozenset(
    {ExportState.EMPTY, ExportState.NOT_VALIDATED, ExportState.INVALID, ExportState.VALIDATED}
)
MOVES: dict[ExportState, frozenset[ExportState]] = {
    ExportState.EMPTY: BUILT,
    ExportState.NOT_VALIDATED: BUILT,
    ExportState.INVALID: BUILT,
    ExportState.VALIDATED: BUILT | {ExportState.RELEASED},
    ExportState.RELEASED: frozenset(),
}


class ExportNotReleasable(Refusal):
    """Only a file that the official schema accepted can be released, and only once."""

    code = "export_not_releasable"
    http_status = 409


def advance(*, state: ExportState, target: ExportState) -> ExportState:
    """The next state.

    :raises ExportNotReleasable: the table has no such move.
    """
    if target not in MOVES[state]:
        raise ExportNotReleasable(f"A file that is {state} cannot become {target}.")
    return target
