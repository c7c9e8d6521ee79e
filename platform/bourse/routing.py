"""Which consumer answers which WebSocket."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter

from bourse.same_site import SameSite
from trading import consumers

# Channels routes with Django's patterns over consumers, which the stubs tell apart.
_router = URLRouter(consumers.websocket_urlpatterns)  # type: ignore[arg-type]
websocket = SameSite(AuthMiddlewareStack(_router))
