"""A client's WebSocket frames are told apart however the wire cuts them."""

import random
from itertools import pairwise

from websockets.frames import Frame, Opcode

from trading.frames import FrameReader

LONG = b"x" * 70_000
FRAMES = [
    (Opcode.TEXT, b'{"type":"ping"}', True, True),
    (Opcode.TEXT, b"", True, True),
    (Opcode.PING, b"are you there", True, False),
    (Opcode.TEXT, b"half of a ", False, False),
    (Opcode.PONG, b"", True, False),
    (Opcode.CONT, b"message", True, False),
    (Opcode.TEXT, "größer".encode() * 30, True, True),
    (Opcode.BINARY, b"\x00\x01", True, False),
    (Opcode.TEXT, LONG[:66_000], True, True),
    (Opcode.CLOSE, b"\x03\xe8", True, False),
]


def packed(opcode: Opcode, payload: bytes, fin: bool, *, mask: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=mask)


def test_whole_texts_are_read_and_all_else_is_passed_on_as_it_came() -> None:
    frames = [packed(opcode, payload, fin) for opcode, payload, fin, _ in FRAMES]
    expected = [
        (frame, payload if is_text else None)
        for frame, (_, payload, _, is_text) in zip(frames, FRAMES, strict=True)
    ]
    wire, chance = b"".join(frames), random.Random(7)

    for cuts in (0, 3, 40, 400):
        places = sorted({0, len(wire), *(chance.randrange(len(wire)) for _ in range(cuts))})
        reader = FrameReader(70_000)
        found = [each for a, b in pairwise(places) for each in reader.feed(wire[a:b])]
        assert found == expected


def test_every_byte_may_come_alone() -> None:
    wire = packed(Opcode.TEXT, b'{"a":1}', True) + packed(Opcode.TEXT, b"y" * 300, True)
    reader = FrameReader(1_000)

    texts = [text for byte in wire for _, text in reader.feed(bytes([byte]))]

    assert texts == [b'{"a":1}', b"y" * 300]


def test_a_message_that_is_too_long_is_not_gathered() -> None:
    reader = FrameReader(100)
    wire = packed(Opcode.TEXT, LONG, True)

    first, rest = list(reader.feed(wire[:1_000])), list(reader.feed(wire[1_000:]))

    assert (first, rest) == ([(wire[:1_000], None)], [(wire[1_000:], None)])


def test_text_that_is_not_masked_is_left_to_the_protocol_to_refuse() -> None:
    wire = packed(Opcode.TEXT, b"plain", True, mask=False)

    assert list(FrameReader(100).feed(wire)) == [(wire, None)]
