"""PostgreSQL finds two characters as quickly as three: it knows which texts have others than those of ASCII in them, where it
cannot name every trigram that begins with the two (`zones.searching`)."""

from __future__ import annotations

from typing import Any

from django.db import migrations

MAKE = r"""
CREATE INDEX zones_record_beyond_ascii ON zones_record (zone_id)
  WHERE UPPER(name || E'\n' || content || E'\n' || comment) ~ '[^\x01-\x7f]'
"""


def carry_out(statement: str) -> Any:
    def on_postgresql(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("zones", "0011_private_comments")]

    operations = [migrations.RunPython(carry_out(MAKE), carry_out("DROP INDEX zones_record_beyond_ascii"))]
