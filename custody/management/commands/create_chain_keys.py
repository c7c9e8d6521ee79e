"""Make this installation's chain keys, once."""

from django.core.management.base import BaseCommand, CommandError

from custody.gateways import chain_keys


class Command(BaseCommand):
    help = "Write new chain keys to BOURSE_CHAIN_KEYS_FILE (mode 0600); never over old ones."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        path = chain_keys.path_from_settings()
        try:
            keys = chain_keys.create(path)
        except FileExistsError:
            raise CommandError(f"There are chain keys in {path} already.", returncode=2) from None
        for role in chain_keys.ROLES:
            self.stdout.write(f"{role} {getattr(keys, role).pubkey()}")
