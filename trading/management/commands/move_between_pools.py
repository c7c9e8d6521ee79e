"""Move an investor's units from one pool to another."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Investor
from custody.models import Asset
from custody.models.pool_transfers import PoolTransferState
from kernel import clock
from kernel.refusals import Refusal
from trading.pool_moves import move

WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.1


class Command(BaseCommand):
    help = "Move available units of an investor from one pool to another, through both engines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--investor", type=int, required=True, help="the investor's id")
        parser.add_argument("--asset", required=True, help="its code, such as USDC")
        parser.add_argument("--units", type=int, required=True, help="in base units")
        parser.add_argument("--from", type=int, required=True, dest="from_pool")
        parser.add_argument("--to", type=int, required=True, dest="to_pool")
        parser.add_argument(
            "--key", required=True, help="names this move: repeated, it goes on or stays done"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        investor = Investor.objects.filter(id=options["investor"]).first()
        asset = Asset.objects.filter(code=options["asset"]).first()
        if investor is None or asset is None or options["from_pool"] == options["to_pool"]:
            raise CommandError("Name an investor, an asset and two pools.", returncode=2)
        names = ("units", "from_pool", "to_pool", "key")
        wanted = {name: options[name] for name in names}
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                into = move(investor_id=investor.pk, asset_id=asset.pk, now=clock.now(), **wanted)
            except Refusal as refusal:
                raise CommandError(refusal.message) from None
            if into is not None and into.state == PoolTransferState.DONE:
                self.stdout.write("moved")
                return
            time.sleep(LOOK_SECONDS)
        raise CommandError("An engine does not answer: the same command again goes on.")
