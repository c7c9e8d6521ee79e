from django.apps import AppConfig


class BourseConfig(AppConfig):
    name = "bourse"

    def ready(self) -> None:
        from bourse import checks  # noqa: F401  registers the system checks
        from bourse.celery import app

        # Tasks that apps declare with shared_task belong to this one.
        app.set_default()
