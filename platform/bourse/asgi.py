"""What uvicorn serves: pages and the API over HTTP, live data over WebSocket."""

import gc
import os
import warnings

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bourse.settings")

# Sets Django up, so it comes before everything that imports models.
http = get_asgi_application()

from bourse import checks, routing  # noqa: E402
from bourse.body_limit import BodyLimit  # noqa: E402

checks.refuse_unsafe()
# whitenoise streams its small files synchronously; in production a proxy serves them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

application = ProtocolTypeRouter({"http": BodyLimit(http), "websocket": routing.websocket})
# What is loaded by now stays, so it need not be looked through again: collecting garbage held
# up every socket for a tenth of a second, twice a second under load.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 50, 100)
