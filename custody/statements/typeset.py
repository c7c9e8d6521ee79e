"""A process that typesets a statement: JSON in, a PDF/A out.

Fonts are those in the typesetter's wheel, never the machine's: else the same statement
would look different elsewhere. They have Latin, Greek and Cyrillic letters; a name in
another script is written in Latin letters, and the statement says so.
"""

import json
import sys
from pathlib import Path
from typing import Any

import typst

TEMPLATE = Path(__file__).with_name("statement.typ")


def typeset(content: dict[str, Any]) -> bytes:
    try:
        return _compile(content | {"is_latinized": False})
    except typst.TypstError:
        if content["name"].isascii():
            raise
        return _compile(content | {"name": content["latin_name"], "is_latinized": True})


def _compile(content: dict[str, Any]) -> bytes:
    made = typst.compile(
        str(TEMPLATE),
        root=str(TEMPLATE.parent),
        ignore_system_fonts=True,
        # Kept for decades, and read by screen readers. A glyph that is missing is an error.
        pdf_standards=["a-2a", "ua-1"],
        sys_inputs={"content": json.dumps(content)},
    )
    assert isinstance(made, bytes)
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(typeset(json.load(sys.stdin.buffer)))
