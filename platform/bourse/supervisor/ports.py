"""Free ports on loopback, held until the server that wants them listens."""

import json
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


class Reservation:
    """A port that is bound but not listened on, so the system gives it to nobody else.

    Servers bind with SO_REUSEADDR, which Linux allows beside such a socket, and
    alas allows another supervisor's reservation too. So the port's name is also
    taken as an abstract socket, of which there can be one; both go with us.
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
            self.port: int = self._socket.getsockname()[1]
            self._name.bind(f"\0bourse-port-{self.port}")
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()
        self._name.close()


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
