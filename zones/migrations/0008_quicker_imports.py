"""RRsets of change sets are written by a quicker encoder; SQLite merges its index of the text less often."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

import zones.models

USUAL, SELDOM = 4, 8


def merge_at(parts: int) -> Any:
    """Have FTS5 merge a level of its index when it has so many parts."""

    def carry_out(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "sqlite":
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO zones_record_text(zones_record_text, rank) VALUES ('automerge', %s)", [parts]
                )

    return carry_out


class Migration(migrations.Migration):
    dependencies = [("zones", "0007_counts_and_search")]

    operations = [
        migrations.AlterField("changeset", "rrsets", models.JSONField(default=list, encoder=zones.models.QuickJson)),
        migrations.RunPython(merge_at(SELDOM), merge_at(USUAL)),
    ]
