"""Keeps the private name server running for as long as the site does."""

from __future__ import annotations

import logging
import threading

from zones.nameserver.errors import NameServerError
from zones.nameserver.private import PrivateNamed, held

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class NamedKeeper:
    """Starts `named`, starts it again when it dies, and stops it with the site, or when somebody asks for that.

    Of several web processes on one data directory one keeps it; another takes over when that one ends.
    """

    def __init__(self, named: PrivateNamed) -> None:
        self._named = named
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="named-keeper", daemon=True)

    def start(self) -> None:
        """Start the server, unless somebody has stopped it on purpose. Raises `NameServerError` when it cannot be; not when
        another process already runs it."""
        if held(self._named.directory):
            logger.warning("named stays stopped, as somebody has asked for; start it on the page of the monitoring")
            self._thread.start()
            return
        try:
            endpoint = self._named.start()
            logger.info("named answers on %s port %d", endpoint.host, endpoint.port)
        except NameServerError as error:
            if error.code != "runs_elsewhere":
                raise
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, then stop the server, if it is ours."""
        self._ending.set()
        self._thread.join(LOOK_EVERY_S * 2)
        self._named.stop()

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            if held(self._named.directory):
                self._named.stop()
                continue
            if self._named.poll() is None:
                continue
            try:
                self._named.restart()
                logger.warning("named had ended; started it again")
            except NameServerError as error:
                if error.code != "runs_elsewhere":
                    logger.error("named does not start: %s", error)
