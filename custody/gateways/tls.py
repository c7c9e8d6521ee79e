"""One TLS context a process.

Loading the certificates costs 20 ms, which a sweep every 3 s would pay each time.
"""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()
