"""Where the test's PostgreSQL listens, and commands as an engine takes them."""

from typing import Any

from django.db import connection

from kernel import clock
from trading.commands import Command, Envelope


def engine_address() -> tuple[str, int]:
    parameters = connection.get_connection_params()
    return str(parameters["host"]), int(parameters["port"])


def engine_database() -> dict[str, Any]:
    """How an engine connects to the test's database."""
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return {name: parameters[name] for name in names if parameters.get(name)}


def envelopes(*commands: Command) -> list[Envelope]:
    """Commands in time, whose answers nobody waits for."""
    return [Envelope(command, clock.now().timestamp() + 60, "nobody") for command in commands]
