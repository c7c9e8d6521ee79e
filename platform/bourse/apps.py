from django.apps import AppConfig


class BourseConfig(AppConfig):
    name = "bourse"
