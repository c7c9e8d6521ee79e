from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class BourseConfig(AppConfig):
    name = "bourse"

    def ready(self) -> None:
        from bourse import checks  # noqa: F401  registers the system checks
        from bourse.celery import app
        from bourse.database_rights import take_rights_away

        # Tasks that apps declare with shared_task belong to this one.
        app.set_default()
        # Once, after the last app that has models: we have none and get no signal.
        post_migrate.connect(
            take_rights_away,
            sender=apps.get_app_config("reporting"),
            dispatch_uid="bourse.take_rights_away",
        )
