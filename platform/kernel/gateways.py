"""What every gateway to an outside party may raise.

A time-out or a nonsense answer is neither a refusal (nobody said no) nor a bug
of ours: the task that called tries again, within a bound, and the row keeps the
state that says so.
"""


class GatewayUnavailable(Exception):
    """The party did not answer, or not in words we understand; nothing is known."""

    def __init__(self, party: str, why: str) -> None:
        super().__init__(f"{party}: {why}")
        self.party = party
        self.why = why


class GatewaySilent(GatewayUnavailable):
    """The party cannot be reached or takes no questions now, whatever one asks."""
