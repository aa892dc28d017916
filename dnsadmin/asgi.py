"""The entry point of every web process: pages and API over HTTP, events over the one WebSocket."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsadmin.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402  # needs the settings above
from django.conf import settings  # noqa: E402

from dnsadmin.turns import TakingTurns  # noqa: E402
from realtime.consumers import UnifiedWebSocketConsumer  # noqa: E402
from realtime.legacy.consumers import LEGACY_PATHS  # noqa: E402  # LEGACY
from realtime.lifespan import Lifespan  # noqa: E402
from realtime.routing import WebSocketRouter  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": TakingTurns(http, settings.SITE.requests_at_once),
        "websocket": WebSocketRouter(
            {
                "/ws": UnifiedWebSocketConsumer.as_asgi(),
                **LEGACY_PATHS,  # LEGACY
            }
        ),
        "lifespan": Lifespan(),
    }
)
