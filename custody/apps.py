from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CustodyConfig(AppConfig):
    name = "custody"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from custody.sealing_history import prepare_history_tables
        from custody.verification import (
            register,
            register_holds,
            register_references,
            register_subjects,
        )
        from custody.verification.custody_holds import MINTS
        from custody.verification.custody_references import REFERENCES, SUBJECTS
        from custody.verification.settlement_checks import settlement_is_of_open_blocks
        from custody.verification.transfer_checks import escrow_is_of_redemptions

        # After all apps' migrations, since any app may have added a history table.
        post_migrate.connect(prepare_history_tables, sender=self)
        register_holds(MINTS)
        register(escrow_is_of_redemptions)
        register(settlement_is_of_open_blocks)
        register_references(*REFERENCES)
        register_subjects(SUBJECTS)
