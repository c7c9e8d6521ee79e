"""Which consumer answers which WebSocket."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter

from bourse.same_site import SameSite
from trading import consumers

websocket = SameSite(AuthMiddlewareStack(URLRouter(consumers.websocket_urlpatterns)))
