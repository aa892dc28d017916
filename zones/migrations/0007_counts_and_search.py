"""What is counted, for the rows that were there before; and the index of the text of records (`zones.searching`).

A later migration that makes SQLite build the table of records anew has to make the triggers anew, and `'rebuild'`. The tests notice when it does not.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, migrations, transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.db.utils import DatabaseError

SQLITE = """
CREATE VIEW zones_record_as_text AS
  SELECT id, name || char(10) || content || char(10) || comment AS text FROM zones_record;

CREATE VIRTUAL TABLE zones_record_text USING fts5(
  text, content='zones_record_as_text', content_rowid='id', tokenize='trigram', detail=none, columnsize=0);

CREATE TRIGGER zones_record_text_came AFTER INSERT ON zones_record BEGIN
  INSERT INTO zones_record_text(rowid, text)
    VALUES (new.id, new.name || char(10) || new.content || char(10) || new.comment) ~
END;

CREATE TRIGGER zones_record_text_went AFTER DELETE ON zones_record BEGIN
  INSERT INTO zones_record_text(zones_record_text, rowid, text)
    VALUES ('delete', old.id, old.name || char(10) || old.content || char(10) || old.comment) ~
END;

CREATE TRIGGER zones_record_text_changed AFTER UPDATE OF id, name, content, comment ON zones_record
  WHEN (old.id, old.name, old.content, old.comment) IS NOT (new.id, new.name, new.content, new.comment) BEGIN
  INSERT INTO zones_record_text(zones_record_text, rowid, text)
    VALUES ('delete', old.id, old.name || char(10) || old.content || char(10) || old.comment) ~
  INSERT INTO zones_record_text(rowid, text)
    VALUES (new.id, new.name || char(10) || new.content || char(10) || new.comment) ~
END;

INSERT INTO zones_record_text(zones_record_text) VALUES ('rebuild')
"""
"""A semicolon ends a statement, `~` one within a trigger."""

POSTGRESQL = """
CREATE INDEX zones_record_text ON zones_record
  USING gin (UPPER(name || E'\\n' || content || E'\\n' || comment) gin_trgm_ops)
"""


def count(apps: Any, schema_editor: Any) -> None:
    """The records of each zone by type, and the changes of each change set."""
    zone, record, change_set, change = (
        apps.get_model("zones", name) for name in ("Zone", "Record", "ChangeSet", "Change")
    )
    counts: dict[int, dict[str, int]] = {}
    for pk, kind, number in record.objects.order_by().values_list("zone", "type").annotate(number=Count("pk")):
        counts.setdefault(pk, {})[kind] = number
    for pk, each in counts.items():
        zone.objects.filter(pk=pk).update(record_counts=each)
    changes = change.objects.filter(change_set=OuterRef("pk")).order_by().values("change_set")
    change_set.objects.update(change_count=Coalesce(Subquery(changes.annotate(n=Count("pk")).values("n")), 0))


def make_index(apps: Any, schema_editor: Any) -> None:
    """In SQLite a table of trigrams beside the records, kept by triggers; in PostgreSQL an index of them, where the extension
    may be had: it belongs to the database's owner to add it. Without it, a search in a large zone takes longer."""
    connection = connections[schema_editor.connection.alias]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in SQLITE.split(";"):
                cursor.execute(statement.replace("~", ";"))
        elif connection.vendor == "postgresql":
            try:
                with transaction.atomic(using=connection.alias):
                    cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                    cursor.execute(POSTGRESQL)
            except DatabaseError as error:
                print(f"\n    no index for searching: {str(error).strip()}")  # noqa: T201  # who migrates reads it


def drop_index(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "sqlite":
            for name in ("came", "went", "changed"):
                cursor.execute(f"DROP TRIGGER zones_record_text_{name}")
            cursor.execute("DROP TABLE zones_record_text")
            cursor.execute("DROP VIEW zones_record_as_text")
        elif schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP INDEX IF EXISTS zones_record_text")


class Migration(migrations.Migration):
    dependencies = [("zones", "0006_large_zones")]

    operations = [
        migrations.RunPython(count, migrations.RunPython.noop),
        migrations.RunPython(make_index, drop_index),
    ]
