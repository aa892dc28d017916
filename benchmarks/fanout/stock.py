"""The peer: Channels as its tutorial teaches it. Every consumer is in one Redis group and sends each event as JSON.

It checks the same token of the same people as `/ws/` does, but neither rights nor fields: it does less work. The layer is
the pub/sub one, the cheaper and more reliable of the two that channels-redis has.
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings

GROUP = "events"


def configure() -> None:
    """Set Django up from `STOCK_*`: database (SQLite file), Redis URL, and the key that tokens are signed with."""
    settings.configure(
        SECRET_KEY=os.environ["STOCK_SECRET_KEY"],
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "channels"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["STOCK_DATABASE"]}},
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": [{"address": os.environ["STOCK_REDIS_URL"], "socket_timeout": None}]},
            }
        },
        USE_TZ=True,
    )
    django.setup()


configure()

from channels.db import database_sync_to_async  # noqa: E402  # needs the settings above
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.middleware import BaseMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.contrib.auth.models import AnonymousUser, User  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework_simplejwt.exceptions import TokenError  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken  # noqa: E402


@database_sync_to_async
def user_of(token: str) -> Any:
    """The user of a token, or nobody."""
    try:
        return User.objects.get(pk=AccessToken(token)["user_id"], is_active=True)  # type: ignore[arg-type]
    except (TokenError, User.DoesNotExist):
        return AnonymousUser()


class TokenMiddleware(BaseMiddleware):
    """Puts the user of the `bearer.<token>` subprotocol into the scope."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        token = next((p[7:] for p in scope["subprotocols"] if p.startswith("bearer.")), "")
        return await super().__call__({**scope, "user": await user_of(token)}, receive, send)


class Consumer(AsyncJsonWebsocketConsumer):
    """One subscriber."""

    async def connect(self) -> None:
        if self.scope["user"].is_anonymous:
            await self.close()
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept(self.scope["subprotocols"][0])

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def event(self, message: dict[str, Any]) -> None:
        await self.send_json(message["event"])


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": TokenMiddleware(URLRouter([path("ws/", Consumer.as_asgi())])),
    }
)
