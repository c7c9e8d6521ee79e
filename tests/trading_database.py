"""Where the test's PostgreSQL listens."""

from django.db import connection


def engine_address() -> tuple[str, int]:
    parameters = connection.get_connection_params()
    return str(parameters["host"]), int(parameters["port"])
