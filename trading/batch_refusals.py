"""What is refused around the pool's own judging; see trading/engine/refusals.py for that.

Beside `batches`, which may be compiled: a compiled class keeps no docstring, and a
refusal's is its sentence.
"""

from kernel.refusals import Refusal


class DuplicateCommand(Refusal):
    """This command was taken before; ask for its order by the id."""

    code = "duplicate_command"
    http_status = 409


class DeadlinePassed(Refusal):
    """The command came too late and was not executed."""

    code = "deadline_passed"


class ClientOrderIdReused(Refusal):
    """This client_order_id was used in the last 24 hours, for another order."""

    code = "client_order_id_reused"
    http_status = 409


class CommandFailed(Refusal):
    """The command could not be stored. It was not executed."""

    code = "command_failed"
