"""Files made by a process that starts for one of them and ends with it.

The maker is a module that reads JSON and writes the file. It gets neither settings
nor secrets; what it needs of memory is free again when it ends.
"""

import json
import subprocess
import sys
import threading
from typing import Any

from django.conf import settings
from django.db import connection

from kernel.refusals import Refusal

AT_ONCE_MAX = 2
WAIT_SECONDS_MAX = 10.0
MAKE_SECONDS_MAX = 60.0
_places = threading.BoundedSemaphore(AT_ONCE_MAX)


class DocumentsBusy(Refusal):
    """Many files are being made. Try again in a minute."""

    code = "documents_busy"
    http_status = 503


def make(module: str, content: dict[str, Any]) -> bytes:
    """What `python -m module` makes of the content.

    :raises DocumentsBusy: others are in front, or it takes too long.
    """
    if not connection.in_atomic_block:
        # All is read. A process has few connections, and this wait needs none of them.
        connection.close()
    if not _places.acquire(timeout=WAIT_SECONDS_MAX):
        raise DocumentsBusy
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(content).encode(),
            capture_output=True,
            cwd=settings.BASE_DIR,
            env={},
            timeout=MAKE_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DocumentsBusy from None
    finally:
        _places.release()
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout
