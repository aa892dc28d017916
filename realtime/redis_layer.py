"""Channels' Redis pub/sub layer, with a receiver that sleeps until something comes.

The original's asks its connection ten times a second, a fifth of what an idle process costs. The rest, serialising and
coming back after Redis was away included, is Channels' and redis-py's own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection

logger = logging.getLogger(__name__)


class SleepingShard(RedisSingleShardConnection):
    """One Redis server, as one event loop uses it."""

    async def _do_receiving(self) -> None:
        while True:
            try:
                if self._pubsub.subscribed:
                    self._receive_message(await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=None))
                else:
                    await asyncio.sleep(0.1)
            except Exception as error:  # noqa: BLE001  # Redis is away; redis-py subscribes anew when it is back
                logger.warning("the channel layer hears nothing: %s", error or type(error).__name__)
                await asyncio.sleep(1.0)


class SleepingRedisLayer(RedisPubSubChannelLayer):
    """The layer, as settings name it."""

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        if not isinstance(layer._shards[0], SleepingShard):  # noqa: SLF001  # Channels has no seam here
            layer._shards = [SleepingShard(shard.host, layer) for shard in layer._shards]  # noqa: SLF001
        return layer
