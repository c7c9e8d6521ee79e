"""Make an API key for an investor and print it, once."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import api_keys
from accounts.models import ApiKey, Investor
from kernel import clock
from kernel.refusals import Refusal


class Command(BaseCommand):
    help = 'Prints {"key", "secret"} as JSON; the secret is not shown again.'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--scopes", default="read", help="of read,trade,fund")
        parser.add_argument("--kraken", action="store_true", help="for Kraken's clients")
        parser.add_argument("--label", default="made by create_api_key")

    def handle(self, *args: Any, **options: Any) -> None:
        investor = Investor.objects.filter(user__email=options["email"].lower()).first()
        if investor is None:
            raise CommandError(f"No investor has the e-mail {options['email']}.", returncode=2)
        kind = ApiKey.Kind.KRAKEN if options["kraken"] else ApiKey.Kind.NATIVE
        try:
            made = api_keys.create(
                investor_id=investor.pk, kind=kind, scopes=options["scopes"].split(","),
                label=options["label"], now=clock.now(),
            )  # fmt: skip
        except Refusal as refusal:
            raise CommandError(refusal.message, returncode=2) from refusal
        self.stdout.write(json.dumps({"key": made.key, "secret": made.secret}))
