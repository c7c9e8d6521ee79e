"""Order entry: the one way in, for the portal, the API and the Kraken surface.

A command is pushed to the pool's engine with a deadline and its answer comes
back after the commit of the batch that judged it. When no answer comes in time
the outcome is unknown: ask by the order's id. It never executes after its
deadline, and "not found" is final once the pool has processed beyond it.
"""

from uuid import UUID

from kernel.refusals import NotFound
from trading.commands import CancelOrder, OrderView, PlaceOrder


async def place(command: PlaceOrder) -> OrderView:
    """Place an order and return it as its batch left it.

    :raises Refusal: the engine's refusal, by its own class.
    :raises OutcomeUnknown: no answer came in time; `details["order_id"]`.
    """
    raise OutcomeUnknown(order_id=None)


async def cancel(command: CancelOrder) -> OrderView:
    """Cancel an open order and return it as its batch left it.

    :raises NotFound: no such order of this investor.
    :raises OutcomeUnknown: no answer came in time.
    """
    raise OutcomeUnknown(order_id=None)


async def get_order(*, investor_id: int, order_id: UUID) -> OrderView:
    """One order of this investor, from the database.

    :raises NotFound: not there; `details["final"]` says whether it may still come.
    """
    raise NotFound


def place_sync(command: PlaceOrder) -> OrderView:
    """`place` for code without an event loop."""
    raise OutcomeUnknown(order_id=None)


def cancel_sync(command: CancelOrder) -> OrderView:
    """`cancel` for code without an event loop."""
    raise OutcomeUnknown(order_id=None)


def get_order_sync(*, investor_id: int, order_id: UUID) -> OrderView:
    """`get_order` for code without an event loop."""
    raise OutcomeUnknown(order_id=None)
