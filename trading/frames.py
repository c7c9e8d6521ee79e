"""Messages as WebSocket frames, made once for every socket that gets them.

A server that writes such frames as they are (bourse.socket_protocol) offers it in
the scope under EXTENSION; on any other server a message goes the way of ASGI.
"""

from typing import Any, Final, Protocol, cast

EXTENSION: Final = "bourse.frames"

_FINAL_TEXT = 0x81
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # what stands for the length of a longer message


def text_frame(text: str) -> bytes:
    """A whole text message as it goes over the wire (RFC 6455, 5.2), not masked."""
    payload = text.encode()
    size = len(payload)
    if size < _TWO_BYTES:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, _TWO_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL_TEXT, _EIGHT_BYTES)) + size.to_bytes(8, "big") + payload


class Wire(Protocol):
    """The socket itself, for what is framed already."""

    @property
    def has_room(self) -> bool:
        """Whether what was written before is on its way, so that more may be."""

    async def wait_for_room(self) -> None:
        """Until more may be written; also when the socket is gone."""

    def write_frames(self, frames: bytes) -> None:
        """Write whole frames."""

    def expel(self, last: bytes, *, code: int) -> None:
        """Say why and close, without waiting for a reader."""


def find_wire(scope: Any) -> Wire | None:
    """The short way of this socket, where its server offers one."""
    return cast("Wire | None", scope.get("extensions", {}).get(EXTENSION))


class Message:
    """One message for any number of sockets; framed when first written."""

    __slots__ = ("_frame", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        if self._frame is None:
            self._frame = text_frame(self.text)
        return self._frame
