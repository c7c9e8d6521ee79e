"""Free ports on loopback, held until the server that wants them listens."""

import json
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


class Reservation:
    """A port that is bound but not listened on, so nobody else is given it.

    Servers bind with SO_REUSEADDR, which Linux allows beside such a socket.
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def reserve_stable(names: list[str], file: Path) -> dict[str, Reservation]:
    """A port per name: last time's from `file` where still free, else any."""
    known: dict[str, int] = {}
    if file.exists():
        known = json.loads(file.read_text())
    reserved = {name: _reserve(known.get(name, 0)) for name in names}
    known.update({name: reservation.port for name, reservation in reserved.items()})
    file.write_text(json.dumps(known, indent=1) + "\n")
    return reserved


def _reserve(port: int) -> Reservation:
    if port and _is_listened_on(port):
        port = 0
    try:
        return Reservation(port)
    except OSError:
        return Reservation()


def _is_listened_on(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
