"""The cache on a real Valkey keeps plain values alone."""

import pickle

import pytest
import redis
from django.core.cache import cache

from bourse.cache import JsonSerializer


@pytest.mark.parametrize("value", [0, 7, -1, True, None, 1.5, "text", [1.5, 2.5], {"a": [1]}])
def test_plain_values_come_back_as_they_went(valkey_url: str, value: object) -> None:
    cache.set("plain", value)

    assert cache.get("plain", "nothing") == value


def test_valkey_counts_integers(valkey_url: str) -> None:
    cache.set("count", 1)

    assert cache.incr("count", 2) == 3


def test_a_pickle_in_valkey_is_not_read(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set(cache.make_key("planted"), pickle.dumps({"any": "object"}))

    with pytest.raises(ValueError):
        cache.get("planted")


def test_an_object_is_refused() -> None:
    with pytest.raises(TypeError):
        JsonSerializer().dumps(object())
