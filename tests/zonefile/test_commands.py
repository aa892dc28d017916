"""`manage.py zone_import` and `zone_export`, as scripts and people use them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.zonefile.looking import events, push, rows, served
from zones.changes import change_set
from zones.importing import import_zone
from zones.lifecycle import create_zone
from zones.models import ChangeSet, Zone
from zones.nameserver.endpoint import Endpoint
from zones.zonefile.read import read_zone_file

pytestmark = pytest.mark.django_db

FILE = """\
$ORIGIN example.test.
$TTL 1h
@     SOA  ns hostmaster 2026112201 1d 2h 4w 5m
@     NS   ns
ns    A    192.0.2.1
www   A    192.0.2.3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db.example"
    path.write_text(FILE)
    return path


class Ran:
    """A command that was run: its exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        self.code = 0
        try:
            call_command(*map(str, arguments))
        except SystemExit as ended:
            self.code = int(ended.code or 0)
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def test_a_file_is_imported_and_served_when_the_command_ends(name_server: Endpoint, file: Path, capsys: Any) -> None:
    ran = Ran(capsys, "zone_import", file)
    zone = Zone.objects.get()
    assert ran.code == 0
    assert ran.out == f"example.test: new zone with 4 records; served at serial {zone.serial}\n"
    assert ran.err == "", "no bar, where nobody watches"
    assert served(name_server, "example.test") == rows(zone)
    assert events("zone_imported")[0].origin == "import"


def test_scripts_get_json(name_server: Endpoint, file: Path, capsys: Any) -> None:
    file.write_text(FILE + "x.other. A 192.0.2.1\n")
    ran = Ran(capsys, "zone_import", file, "--json")
    assert ran.json == {
        "zone": "example.test",
        "new": True,
        "records": 4,
        "created": 4,
        "updated": 0,
        "deleted": 0,
        "serial": 2026112202,
        "state": "served",
        "warnings": [{"line": 7, "reason": "ignoring out-of-zone data (x.other)"}],
    }


def test_a_zone_that_exists_is_changed_only_when_told_to(name_server: Endpoint, file: Path, capsys: Any) -> None:
    push(import_zone(FILE.encode(), "example.test").zone)
    file.write_text(FILE.replace("192.0.2.3", "192.0.2.4") + "x TXT y\n")
    refused = Ran(capsys, "zone_import", file, "--json")
    assert refused.code == 2
    assert refused.json["difference"] == ["- www 3600 A 192.0.2.3", "+ www 3600 A 192.0.2.4", '+ x 3600 TXT "y"']
    assert "replace" in Ran(capsys, "zone_import", file).err.lower()
    ran = Ran(capsys, "zone_import", file, "--replace", "--comment", "new web server")
    assert ran.code == 0
    assert ran.out.startswith("example.test: 2 records added, 0 changed, 1 deleted; served at serial ")
    assert ChangeSet.objects.first().comment == "new web server"
    assert served(name_server, "example.test") == rows(Zone.objects.get())
    assert "nothing to change; served" in Ran(capsys, "zone_import", file).out
    file.write_text(f"{file.read_text()}y TXT z\n")
    one = Ran(capsys, "zone_import", file, "--replace", "--no-wait").out
    assert one == "example.test: 1 record added, 0 changed, 0 deleted; to be pushed\n"


def test_a_dry_run_prints_the_difference(file: Path, capsys: Any) -> None:
    ran = Ran(capsys, "zone_import", file, "--dry-run")
    assert ran.code == 0
    assert "+ www 3600 A 192.0.2.3\n" in ran.out
    assert ran.out.endswith("example.test: new zone, 4 records, 4 RRsets added\n")
    assert Ran(capsys, "zone_import", file, "--dry-run", "--json").json["state"] == "4 RRsets added"
    assert not Zone.objects.exists()


def test_a_refused_file_tells_lines_and_reasons(file: Path, capsys: Any) -> None:
    file.write_text(FILE + "bad A 192.0.2.400\n")
    ran = Ran(capsys, "zone_import", file)
    assert ran.code == 1
    assert ran.err == (
        "example.test: refused, and nothing was imported\n  line 7: near '192.0.2.400': bad dotted quad\n"
    )
    assert Ran(capsys, "zone_import", file, "--json").json["problems"] == [
        {"line": 7, "reason": "near '192.0.2.400': bad dotted quad"}
    ]
    assert not Zone.objects.exists()


def test_a_name_server_that_is_down_is_told_and_the_zone_waits(
    file: Path, capsys: Any, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    ran = Ran(capsys, "zone_import", file, "--timeout", "0.3")
    assert ran.code == 3
    assert "new zone with 4 records; not served yet: the private name server has not been started yet" in ran.out
    assert Zone.objects.get().sync_state == "pending"
    assert Ran(capsys, "zone_import", file, "--no-wait").code == 0


def test_standard_input_and_a_name_for_it(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILE.replace("$ORIGIN example.test.\n", "")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert "new.test: new zone" in Ran(capsys, "zone_import", "-", "--zone", "New.TEST.", "--no-wait").out


def test_a_file_that_does_not_say_of_which_zone_it_is(file: Path) -> None:
    file.write_text(FILE.replace("$ORIGIN example.test.\n", ""))
    with pytest.raises(CommandError, match="--zone"):
        call_command("zone_import", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("zone_import", str(file / "no"))


def test_an_export_to_standard_output_or_a_file(tmp_path: Path, capsys: Any) -> None:
    zone = import_zone(FILE.encode(), "example.test").zone
    output = tmp_path / "out"
    output.write_text("old")
    ran = Ran(capsys, "zone_export", "Example.test.")
    Ran(capsys, "zone_export", "example.test", "--output", output)
    assert output.read_text() == ran.out
    assert list(tmp_path.iterdir()) == [output]
    assert len(read_zone_file(output.read_bytes(), "example.test").records) == zone.records.count()
    with pytest.raises(CommandError, match=r"no zone nowhere\.test"):
        call_command("zone_export", "nowhere.test")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("zone_export", "example.test", "--output", str(tmp_path / "no" / "out"))


@pytest.mark.parametrize("command", ["zone_import", "zone_export"])
def test_help_has_examples(command: str, capsys: Any) -> None:
    ran = Ran(capsys, command, "--help")
    assert f"manage.py {command} " in ran.out.replace("\n", " ").partition("Example")[2]


def test_a_table_is_imported_beside_what_is_there_and_written_out_again(tmp_path: Path, capsys: Any) -> None:
    zone = import_zone(FILE.encode(), "example.test").zone
    table = tmp_path / "more.csv"
    table.write_text("name,type,ttl,content,comment\nmore,A,60,192.0.2.9,über\n", encoding="utf-8")
    ran = Ran(capsys, "zone_import", table, "--zone", "example.test", "--replace", "--merge", "--no-wait", "--json")
    assert (ran.code, ran.json["created"], ran.json["deleted"]) == (0, 1, 0)
    assert zone.records.get(name="more").comment == "über"
    written = tmp_path / "out.json"
    assert Ran(capsys, "zone_export", "example.test", "--format", "json", "-o", written).code == 0
    assert [row["comment"] for row in json.loads(written.read_text("utf-8")) if row["name"] == "more"] == ["über"]
    assert Ran(capsys, "zone_export", "example.test", "--format", "csv").out.count("\n") == 6


def test_many_records_are_edited_after_a_look(capsys: Any) -> None:
    zone = import_zone(FILE.encode(), "example.test").zone
    edit = ("zone_edit", "example.test", "--find", "192.0.2.", "--replace", "198.51.100.", "--type", "A")
    looked = Ran(capsys, *edit, "--dry-run")
    assert "- ns 3600 A 192.0.2.1\n+ ns 3600 A 198.51.100.1\n" in looked.out
    newest = ChangeSet.objects.latest("id").pk
    assert looked.out.endswith(f"example.test: 2 records would change (--based-on example.test={newest})\n")
    assert zone.records.get(name="www").content == "192.0.2.3"
    done = Ran(capsys, *edit, "--json")
    assert [(outcome["zone"], outcome["count"]) for outcome in done.json] == [("example.test", 2)]
    assert zone.records.get(name="www").content == "198.51.100.3"
    assert ChangeSet.objects.latest("id").origin == "command"
    assert Ran(capsys, *edit).out == "Nothing matches.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("example.test", "--find", "192.0.2.1", "--replace", "nonsense"), "nothing was changed"),
        (("example.test",), "--find"),
        (("example.test", "--ttl", "-1"), "TTL"),
        (("nowhere.test", "--ttl", "1"), "There is no zone nowhere.test"),
        (("--ttl", "1"), "Name the zones"),
        (("example.test", "--ttl", "1", "--based-on", "0"), "has changed example.test since"),
        (("example.test", "--ttl", "1", "--based-on", "other.test=3"), "say of which of the zones"),
        (("watched.test", "--ttl", "1"), "only watched"),
        (("secondary.test", "--ttl", "1"), "is a secondary zone"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_in_words(arguments: tuple[str, ...], words: str) -> None:
    zone = import_zone(FILE.encode(), "example.test").zone
    before = rows(zone)
    create_zone("watched.test", nameservers=["ns.example.net"])
    Zone.objects.filter(name="watched.test").update(watched=True)
    create_zone("secondary.test", kind="secondary", servers=[{"address": "192.0.2.53"}])
    with pytest.raises(CommandError, match=words):
        call_command("zone_edit", *arguments)
    assert rows(zone) == before


def test_a_zone_that_was_changed_after_the_look_is_not_imported_over(capsys: Any, tmp_path: Path) -> None:
    zone = import_zone(FILE.encode(), "example.test").zone
    file = tmp_path / "db"
    file.write_text(FILE.replace("192.0.2.3", "192.0.2.33"))
    how = (str(file), "--zone", "example.test", "--replace", "--no-wait", "--json")
    seen = Ran(capsys, "zone_import", *how, "--dry-run").json["based_on"]
    with change_set(zone) as changes:
        changes.create(name="new", type="A", content="192.0.2.9")
    refused = Ran(capsys, "zone_import", *how, "--based-on", str(seen))
    assert (refused.code, refused.json["error"]) == (1, "outdated")
    assert zone.records.filter(name="new").exists()
