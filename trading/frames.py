"""Messages as WebSocket frames, made once for every socket that gets them.

A server that writes such frames as they are (bourse.socket_protocol) offers it in
the scope under EXTENSION; on any other server a message goes the way of ASGI.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, cast

from websockets.frames import apply_mask  # type: ignore[attr-defined] # compiled, if it can be

EXTENSION: Final = "bourse.frames"

_FINAL_TEXT, _FINAL, _CONTROL, _MASKED = 0x81, 0x80, 0x08, 0x80
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


class FrameReader:
    """Tells a client's frames apart, and reads those that are a whole text message.

    What it does not understand, or refuses to hold, it passes on as it came.
    """

    def __init__(self, payload_max: int) -> None:
        self._payload_max = payload_max
        self._rest = b""
        self._in_fragments = self._gave_up = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Whole frames, each with the text that it is, or None."""
        if self._gave_up:
            yield data, None
            return
        data, start = self._rest + data if self._rest else data, 0
        self._rest = b""
        while start < len(data):
            end, payload = _measure(data, start)
            if end - payload > self._payload_max:
                self._gave_up = True
                yield data[start:], None
                return
            if not payload or end > len(data):
                self._rest = data[start:]
                return
            yield data[start:end], self._text(data, start, payload, end)
            start = end

    def _text(self, data: bytes, start: int, payload: int, end: int) -> bytes | None:
        first, is_masked = data[start], data[start + 1] & _MASKED
        if first == _FINAL_TEXT and is_masked and not self._in_fragments:
            return apply_mask(data[payload:end], data[payload - 4 : payload])
        if not first & _CONTROL:
            self._in_fragments = not first & _FINAL
        return None


def _measure(data: bytes, start: int) -> tuple[int, int]:
    """Where the frame ends and where its payload begins; 0 while that is not known."""
    if len(data) < start + 2:
        return 0, 0
    length, payload = data[start + 1] & ~_MASKED, start + 2
    if length >= _TWO_BYTES:
        size = 2 if length == _TWO_BYTES else 8
        if len(data) < payload + size:
            return 0, 0
        length = int.from_bytes(data[payload : payload + size], "big")
        payload += size
    if data[start + 1] & _MASKED:
        payload += 4
    return payload + length, payload


class Wire(Protocol):
    """The socket itself, for what is framed already."""

    # Asked first for each plain text message, while none that came before is under way:
    # whether it has taken it. What it has not goes by ASGI, and `message_done` ends that.
    on_text: Callable[[bytes], bool] | None

    def message_done(self) -> None:
        """One that came by ASGI has been dealt with."""

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
