"""What the cache keeps is JSON, never a pickle.

Django's own serializer pickles, so whoever may write to Valkey could run code in
the web process. Plain values are all that throttles and rate limits keep.
"""

import json


class JsonSerializer:
    """Values as JSON; integers bare, so that Valkey itself can count them."""

    def dumps(self, value: object) -> bytes | int:
        """:raises TypeError: the value is not one that JSON has."""
        if type(value) is int:
            return value
        return json.dumps(value, separators=(",", ":")).encode()

    def loads(self, stored: bytes) -> object:
        return json.loads(stored)
