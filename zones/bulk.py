"""Many rows at once: several times as fast as `bulk_create`, which spends its time on building statements.

SQLite takes plain statements with plain values, PostgreSQL its COPY. Keys are reserved beforehand, so that rows of other
tables can name them. No signals are sent.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain, islice
from typing import Any

from django.db import connections, models, router
from django.utils import timezone

CHUNK = 1000
"""Rows per call to the database, between which whoever counts them hears of it."""
ROOM_KIB = 8_000
"""Of pages that SQLite keeps in memory."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
"""Gives back to the system what was freed, which GNU's C library else keeps for the thread that had it; others do not."""

_listener: ContextVar[Callable[[int], None] | None] = ContextVar("listener", default=None)


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new objects of one model, in a transaction of the caller's, and give those their keys that have none yet."""
    if not rows:
        return
    model = type(rows[0])
    connection = _connection(model)
    missing = [row for row in rows if row.pk is None]
    for row, key in zip(missing, reserved_keys(model, len(missing)), strict=True):
        row.pk = key
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    read = [_reader(field, connection) for field in fields]
    values = (tuple(value(row) for value in read) for row in rows)
    write(model, [str(field.column) for field in fields], values, together=True)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def write(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]], *, together: bool = False
) -> None:
    """Insert rows of plain values, in the form that the database takes: moments by `moment()`, JSON as text.

    together: in statements of many rows each, for a table with an index that SQLite writes once for each statement.
    """
    connection = _connection(model)
    quote = connection.ops.quote_name
    place = f"{quote(model._meta.db_table)} ({', '.join(map(quote, columns))})"
    marks = f"({', '.join(['%s'] * len(columns))})"
    rest = iter(rows)
    with connection.cursor() as cursor:
        while some := list(islice(rest, CHUNK)):
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {place} FROM STDIN") as copy:
                    for row in some:
                        copy.write_row(row)
            elif together:
                values = ", ".join([marks] * len(some))
                cursor.execute(f"INSERT INTO {place} VALUES {values}", tuple(chain.from_iterable(some)))  # noqa: S608
            else:
                cursor.executemany(f"INSERT INTO {place} VALUES {marks}", some)  # noqa: S608
            if (hear := _listener.get()) is not None:
                hear(len(some))


@contextmanager
def many(model: type[models.Model]) -> Iterator[None]:
    """A block that writes very many rows. SQLite has more room meanwhile, so that what it has not committed is seldom
    written to disk twice; and the collector of garbage, which would look through hundreds of thousands of values again and
    again and find none, does not run. Memory that was freed before, or in here, goes back to the system."""
    collected, connection = gc.isenabled(), _connection(model)
    gc.disable()
    _trim(0)
    usual = _given_room(connection, -ROOM_KIB)
    try:
        yield
    finally:
        _given_room(connection, usual)
        if collected:
            gc.enable()
        _trim(0)


def _given_room(connection: Any, room: int) -> int:
    """Give SQLite room for so many pages, or where it is below zero so many KiB. Returns what it had."""
    if connection.vendor != "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size")
        (usual,) = cursor.fetchone()
        cursor.execute(f"PRAGMA cache_size = {room}")
    return int(usual)


@contextmanager
def heard_by(listener: Callable[[int], None]) -> Iterator[None]:
    """Within the block, tell `listener` of rows that are inserted, as so many more."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def update(model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Set `columns` of the row whose key stands last in each of `rows`."""
    connection = _connection(model)
    quote = connection.ops.quote_name
    sets = ", ".join(f"{quote(column)} = %s" for column in columns)
    key = quote(model._meta.pk.column)
    _execute(model, f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {key} = %s", rows)  # noqa: S608


def moment(model: type[models.Model]) -> Any:
    """Now, in the form that the database takes."""
    return _connection(model).ops.adapt_datetimefield_value(timezone.now())


def reserved_keys(model: type[models.Model], count: int) -> Iterator[int]:
    """Keys that nobody else gets. SQLite has one writer at a time, and counts on from the highest key by itself."""
    connection = _connection(model)
    table, key = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
                [connection.ops.quote_name(table), key, count],
            )
            return iter([number for (number,) in cursor.fetchall()])
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        found = cursor.fetchone()
    last = found[0] if found else 0
    return iter(range(last + 1, last + count + 1))


def _connection(model: type[models.Model]) -> Any:
    return connections[router.db_for_write(model)]


def _execute(model: type[models.Model], statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    rest = iter(rows)
    with _connection(model).cursor() as cursor:
        while some := list(islice(rest, CHUNK)):
            cursor.executemany(statement, some)


def _reader(field: Any, connection: Any) -> Callable[[Any], Any]:
    """How the value of a field is brought into the form that the database takes."""
    name = field.attname
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        now = timezone.now()
        prepared = field.get_db_prep_save(now, connection)

        def stamp(row: Any) -> Any:
            setattr(row, name, now)
            return prepared

        return stamp
    if isinstance(field, (models.DateTimeField, models.JSONField)):
        return lambda row: field.get_db_prep_save(getattr(row, name), connection)
    return lambda row: getattr(row, name)
