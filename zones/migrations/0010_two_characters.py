"""SQLite finds two characters as quickly as three: the text of a record ends with a line end, so that each two of its
characters begin a trigram, and there is a list of the trigrams that are known (`zones.searching`).

A later migration that makes SQLite build the table of records anew has to make these triggers anew, and `'rebuild'`. The
tests notice when it does not.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

AS_IT_WAS = ""
LINE_END = " || char(10)"


def text(row: str, end: str) -> str:
    return f"{row}name || char(10) || {row}content || char(10) || {row}comment{end}"


def statements(end: str) -> list[str]:
    """The view, the triggers and the rows of the table that `0007` made, for texts that end so."""
    came = f"INSERT INTO zones_record_text(rowid, text) VALUES (new.id, {text('new.', end)});"  # noqa: S608
    went = (
        "INSERT INTO zones_record_text(zones_record_text, rowid, text) "  # noqa: S608
        f"VALUES ('delete', old.id, {text('old.', end)});"
    )
    differs = "(old.id, old.name, old.content, old.comment) IS NOT (new.id, new.name, new.content, new.comment)"
    changed = f"UPDATE OF id, name, content, comment ON zones_record WHEN {differs}"
    triggers = {
        "came": ("INSERT ON zones_record", came),
        "went": ("DELETE ON zones_record", went),
        "changed": (changed, went + came),
    }
    return [
        *(f"DROP TRIGGER zones_record_text_{name}" for name in triggers),
        "DROP VIEW zones_record_as_text",
        f"CREATE VIEW zones_record_as_text AS SELECT id, {text('', end)} AS text FROM zones_record",  # noqa: S608
        *(
            f"CREATE TRIGGER zones_record_text_{name} AFTER {when} BEGIN {then} END"
            for name, (when, then) in triggers.items()
        ),
        "INSERT INTO zones_record_text(zones_record_text) VALUES ('rebuild')",
    ]


def carry_out(editor: Any, wanted: list[str]) -> None:
    if editor.connection.vendor == "sqlite":
        with editor.connection.cursor() as cursor:
            for statement in wanted:
                cursor.execute(statement)


def make(apps: Any, schema_editor: Any) -> None:
    known = "CREATE VIRTUAL TABLE zones_record_trigram USING fts5vocab('zones_record_text', 'row')"
    carry_out(schema_editor, [*statements(LINE_END), known])


def undo(apps: Any, schema_editor: Any) -> None:
    carry_out(schema_editor, ["DROP TABLE zones_record_trigram", *statements(AS_IT_WAS)])


class Migration(migrations.Migration):
    dependencies = [("zones", "0009_quicker_history")]

    operations = [migrations.RunPython(make, undo)]
