"""Names in the history are found by a shorter expression; records lose two indexes whose work others do."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NAMES = (("was_named", "before", "change_by_old_name"), ("now_named", "after", "change_by_name"))


def named_in(side: str) -> Any:
    text = models.TextField(null=True)
    name = models.Func(models.F(side), template="(%(expressions)s ->> 'name')", output_field=models.TextField())
    return models.GeneratedField(db_persist=True, expression=name, output_field=text)


def without_index(column: str, index: str, field: Any) -> Any:
    """Drop the index of a foreign key in place: altered by Django, SQLite would lose the triggers of the table."""
    drop, make = f"DROP INDEX IF EXISTS {index}", f"CREATE INDEX {index} ON zones_record ({column}_id)"
    return migrations.SeparateDatabaseAndState(
        [migrations.RunSQL(drop, make)], [migrations.AlterField("record", column, field)]
    )


class Migration(migrations.Migration):
    dependencies = [
        ("zones", "0008_quicker_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *(migrations.RemoveIndex("change", index) for _, _, index in NAMES),
        *(migrations.RemoveField("change", name) for name, _, _ in NAMES),
        *(migrations.AddField("change", name, named_in(side)) for name, side, _ in NAMES),
        *(
            migrations.AddIndex(
                "change", models.Index(fields=[name], name=index, condition=models.Q((f"{name}__isnull", False)))
            )
            for name, _, index in NAMES
        ),
        without_index(
            "zone",
            "zones_record_zone_id_218c842c",
            models.ForeignKey("zones.zone", django.db.models.deletion.CASCADE, related_name="records", db_index=False),
        ),
        without_index(
            "updated_by",
            "zones_record_updated_by_id_4e6fb7f4",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                django.db.models.deletion.SET_NULL,
                null=True,
                editable=False,
                related_name="+",
                db_index=False,
            ),
        ),
    ]
