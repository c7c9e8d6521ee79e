from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Clients and compliance"

    def ready(self) -> None:
        # Imported here: they register the kinds of proposals and use models.
        from accounts.operations import decisions, restrictions  # noqa: F401
        from accounts.staff_groups import sync_groups

        # For every app: the permissions of apps above exist only after their turn.
        post_migrate.connect(sync_groups, dispatch_uid="accounts.sync_groups")
