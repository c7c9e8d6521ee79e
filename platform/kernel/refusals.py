"""A refusal is an expected no: it has a stable code and changes nothing.

    Refusal
    ├── NotFound          404  not there, or not yours (the answer is the same)
    ├── Forbidden         403  you may not do this
    └── OutcomeUnknown    504  sent, no answer in time: ask by the id

Every other refusal is defined beside the operation that raises it; what may be compiled has
its own in a module beside it (trading/engine/refusals.py, trading/batch_refusals.py,
custody/ledger_refusals.py).
"""

from typing import ClassVar


class Refusal(Exception):
    """Refused; `code` is for programs, the message says what to do next."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[int] = 422

    def __init__(self, message: str = "", **details: object) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.details = details

    @property
    def message(self) -> str:
        return str(self.args[0])


class NotFound(Refusal):
    """There is no such thing here, or it is not yours."""

    code = "not_found"
    http_status = 404


class Forbidden(Refusal):
    """You may not do this."""

    code = "forbidden"
    http_status = 403


class OutcomeUnknown(Refusal):
    """No answer came in time. Ask by the id before you send it again."""

    code = "outcome_unknown"
    http_status = 504
