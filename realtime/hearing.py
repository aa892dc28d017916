"""For whatever waits in this process for a change: a word as soon as the feed has heard of one, whichever process made it.

A hint, like the doorbell: a process that stood still does not hear again what it missed. Who must not miss an event takes
a processor (`realtime.processors`); who only wants to be early is told here, and looks now and then by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime.events import EventType

Heed = Callable[[], None]

_heeding: dict[EventType, list[Heed]] = {}


def heed(call: Heed, *event_types: EventType) -> None:
    """Have `call` called for each of these events, on the event loop: it must not wait, nor raise."""
    for event_type in event_types:
        _heeding.setdefault(event_type, []).append(call)


def heard(event_type: EventType) -> None:
    """An event of the log has come; called by the feed's process for each."""
    for call in _heeding.get(event_type, ()):
        call()
