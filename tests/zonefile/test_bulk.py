"""Many rows at once, on both databases: keys as if they had been saved one by one, and nobody else gets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.site import Site
from zones import bulk
from zones.importing import import_zone
from zones.models import Change, ChangeKind, Record, Zone

FILE = "$TTL 1h\n@ SOA ns hostmaster 7 1d 2h 4w 5m\n@ NS ns\nns A 192.0.2.1\n" + "".join(
    f"h{number} A 192.0.2.9\n" for number in range(1200)
)


@pytest.fixture
def zone(db: Any) -> Zone:
    return import_zone(FILE.encode(), "example.test").zone


def test_rows_that_are_saved_afterwards_have_later_keys(zone: Zone) -> None:
    record = Record(zone=zone, name="later", type="A", ttl=60, content="192.0.2.7")
    record.save()
    keys = list(Record.rows.order_by("pk").values_list("pk", flat=True))
    assert keys[-1] == record.pk
    assert len(set(keys)) == len(keys) == 1204


def test_objects_are_as_if_they_had_been_read(zone: Zone) -> None:
    made = [
        Record(zone=zone, name=f"n{number}", type="A", ttl=60, content="192.0.2.7", private=True) for number in range(3)
    ]
    bulk.insert(made)
    for record in made:
        read = Record.rows.get(pk=record.pk)
        for field in Record._meta.local_concrete_fields:
            assert getattr(read, field.attname) == getattr(record, field.attname)
        assert not record._state.adding


def test_a_key_that_a_row_brings_is_kept(zone: Zone) -> None:
    highest = Record.rows.order_by("-pk").values_list("pk", flat=True)[0]
    restored = Record(pk=highest + 50, zone=zone, name="a", type="A", ttl=60, content="192.0.2.7")
    bulk.insert([restored])
    assert Record.rows.get(name="a").pk == highest + 50


def test_json_and_nothing(zone: Zone) -> None:
    made = [
        Change(change_set=zone.change_sets.get(), op=ChangeKind.CREATE, after={"a": [1, "é"]}),
        Change(change_set=zone.change_sets.get(), op=ChangeKind.DELETE),
    ]
    bulk.insert(made)
    assert Change.objects.get(pk=made[0].pk).after == {"a": [1, "é"]}
    assert Change.objects.filter(pk=made[1].pk, before__isnull=True).exists()
    bulk.insert([])


LOOK = """
from zones.models import Change, Record, Zone
from zones.changes import change_set
zone = Zone.objects.get()
with change_set(zone) as changes:
    one = changes.create(name="later", type="A", ttl=60, content="192.0.2.7")
keys = list(Record.rows.order_by("pk").values_list("pk", flat=True))
assert keys == list(range(keys[0], keys[0] + 1204)), keys[-3:]
assert one.pk == keys[-1]
assert Change.objects.count() == 1204
assert set(Change.objects.values_list("record_id", flat=True)) == set(keys)
assert Change.objects.first().after["content"]
print("good")
"""


@pytest.mark.timeout(180)
def test_postgresql_too(postgres_server: PostgresServer, tmp_path: Path) -> None:
    site = Site(tmp_path, DATABASE_URL=postgres_server.create_database())
    site.prepare()
    (tmp_path / "file").write_text(FILE)
    ran = site.manage("zone_import", str(tmp_path / "file"), "--zone", "example.test", "--no-wait")
    assert ran.stdout == "example.test: new zone with 1,203 records; to be pushed\n"
    assert site.python(LOOK) == "good\n"
