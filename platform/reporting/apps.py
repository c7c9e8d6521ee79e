from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from custody.verification import Reference, register_references

        register_references(
            Reference(
                "reporting_notreportabletrade",
                "trade_id",
                "SELECT id FROM trading_trade",
                made_at="traded_at",
            )
        )
