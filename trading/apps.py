from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "trading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here: they register kinds of proposals and use models.
        from trading import fees, kill_switches  # noqa: F401
        from trading.verification import register_checks

        register_checks()
