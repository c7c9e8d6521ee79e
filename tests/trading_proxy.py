"""A TCP proxy before PostgreSQL: cuts the line around a COMMIT, or drops every packet."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards bytes both ways; once armed, cuts when the marked batch commits."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._lock, self._is_over = threading.Lock(), False
        self._marker: bytes | None = None
        self._deliver = False
        self.is_swallowing = False

    def swallow(self) -> None:
        """Drop everything from now on, both ways, and close nothing: as a network does."""
        self.is_swallowing = True

    def cut_at_commit(self, *, deliver: bool, marker: str) -> None:
        """Cut at the COMMIT behind `marker`; `deliver`: let the server have it first."""
        self._deliver, self._marker = deliver, marker.encode()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._keep(self._listener.accept()[0])
                server = self._keep(socket.create_connection(self._target))
                link = _Link(self, client, server)
                threading.Thread(target=link.up, daemon=True).start()
                threading.Thread(target=link.down, daemon=True).start()

    def _keep(self, one: socket.socket) -> socket.socket:
        """Remember a socket, so that it is closed with the proxy; one that comes later is."""
        with self._lock:
            self._sockets.append(one)
            if self._is_over:
                one.close()
        return one

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._is_over = True
            sockets = [self._listener, *self._sockets]
        for each in sockets:
            # A thread that waits for the socket keeps it open otherwise.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.is_deaf = False  # from then on the client hears nothing more
        self._seen = b""

    def up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.client.recv(65_536):
                if self.proxy.is_swallowing:
                    continue
                commit = self._commit_at(data)
                if commit is None:
                    self.server.sendall(data)
                    continue
                self.proxy._marker = None
                self.is_deaf = True
                self.server.sendall(data if self.proxy._deliver else data[:commit])
                if self.proxy._deliver:
                    # The server closes once it has answered; only then is the client cut.
                    self.server.shutdown(socket.SHUT_WR)
                    return
                break
        self._cut()

    def _commit_at(self, data: bytes) -> int | None:
        """Where the COMMIT of the marked batch begins in `data`, or None."""
        marker = self.proxy._marker
        if marker is None:
            return None
        self._seen = (self._seen + data)[-4_000_000:]
        if marker not in self._seen:
            return None
        # A prepared COMMIT is named, so any statement after the marked insert is cut before.
        at = data.find(b"COMMIT")
        return at if at >= 0 else None

    def down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.server.recv(65_536):
                if not self.is_deaf and not self.proxy.is_swallowing:
                    self.client.sendall(data)
        if not self.proxy.is_swallowing:
            self._cut()

    def _cut(self) -> None:
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
