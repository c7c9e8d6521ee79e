"""uvicorn's WebSocket protocol, with a shorter way for what many sockets are told alike.

By ASGI a message is framed and written for each socket anew, behind several
coroutines. Frames from a server are not masked, so one message is the same bytes
for every socket: whoever has framed it once (trading.frames) writes those bytes to
each. The way is offered to the application in the scope, as
`scope["extensions"][EXTENSION]`, an object of this class; everything else stays
ASGI. Such frames are not compressed, which a client that offers deflate allows
for each message.

A socket that is not read is not waited for either: `expel` ends it.

The way in is shorter too. An application that sets `on_text` is handed each plain text
message at once, as bytes, while none waits that came by ASGI before it; what it returns
False for goes by ASGI. Frames are told apart here (trading.frames); all but whole plain
text is left to the library, frame by frame.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from trading.frames import EXTENSION, FrameReader

# No message of ours is longer, whatever the server was started with: what is not whole yet
# is kept, and put together anew with each piece that comes.
MESSAGE_BYTES_MAX = 64 * 1024
# How long a peer that is sent away may take to read why.
GRACE_SECONDS = 5.0


class SocketProtocol(WebSocketsSansIOProtocol):
    """For `uvicorn --ws bourse.socket_protocol:SocketProtocol`."""

    on_text: Callable[[bytes], bool] | None = None
    _under_way = 0  # messages that went by ASGI and are not done with
    _reader: FrameReader | None = None

    def __init__(self, config: Config, *others: Any, **named: Any) -> None:
        config.ws_max_size = min(config.ws_max_size, MESSAGE_BYTES_MAX)
        super().__init__(config, *others, **named)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            super().data_received(data)
            # A handshake that has ended right here: from now on it is frames.
            if self.handshake_initiated and data.endswith(b"\r\n\r\n"):
                self._reader = FrameReader(self.config.ws_max_size)
            return
        for frame, text in self._reader.feed(data):
            if text is None or not self._take_at_once(text):
                super().data_received(frame)

    def _take_at_once(self, text: bytes) -> bool:
        return (
            self.on_text is not None
            and not self._under_way
            and self.handshake_complete
            and not (self.close_sent or self.disconnected)
            and not self.transport.is_closing()  # what follows the client's own close is not read
            and self.on_text(text)
        )

    def send_receive_event_to_app(self) -> None:
        if not self.close_sent:
            self._under_way += 1
        super().send_receive_event_to_app()

    def message_done(self) -> None:
        """One that came by ASGI has been dealt with."""
        self._under_way -= 1

    @property
    def has_room(self) -> bool:
        """Whether what was written before is on its way, so that more may be."""
        return self.writable.is_set()

    async def wait_for_room(self) -> None:
        """Until more may be written; also when the socket is gone."""
        await self.writable.wait()

    def write_frames(self, frames: bytes) -> None:
        """Write whole frames; what comes after the end is dropped."""
        if self.handshake_complete and not (self.close_sent or self.disconnected):
            self.transport.write(frames)

    def expel(self, last: bytes, *, code: int) -> None:
        """Say why and close, without waiting; the line is cut if the peer does not read that."""
        if self.close_sent or self.disconnected or not self.handshake_complete:
            return
        self.transport.write(last)
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(GRACE_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """A peer that answers no ping may not read either: do not wait for it."""
        super().keepalive_timeout()
        self.loop.call_later(GRACE_SECONDS, self._cut)

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()
