"""Choices from words."""

from enum import StrEnum


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Of a field that carries one of these words."""
    return [(word.value, word.value.replace("_", " ").capitalize()) for word in words]
