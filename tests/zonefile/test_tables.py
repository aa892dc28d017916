"""CSV and JSON: in, out, and in again; safe in a spreadsheet; wrong rows are told by line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from tests.zones.conftest import admin, api, olivia, person, zone
from tests.zones.examples import Api, whole
from zones.changes import change_set
from zones.models import Record, Zone
from zones.zonefile.problems import ZoneFileError
from zones.zonefile.tables import Row, csv_lines, json_lines, read

__all__ = ["admin", "api", "olivia", "person", "zone"]

IMPORT = "/api/zones/example.com/import/"
EXPORT = "/api/zones/example.com/export/"
COMMENTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)


@given(st.lists(st.tuples(COMMENTS, st.integers(0, 99)), max_size=5))
def test_what_is_written_is_read_again(made: list[tuple[str, int]]) -> None:
    rows = [Row(f"h{number}", "TXT", 60, f'"{number}"', comment) for number, (comment, _) in enumerate(made)]
    for form, lines in (("csv", csv_lines(rows)), ("json", json_lines(rows))):
        found = read("".join(lines).encode(), "example.com", form)
        assert [record.name for record in found.records] == [row.name for row in rows]
        assert list(found.comments.values()) == [row.comment for row in rows]


@pytest.mark.parametrize("comment", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'=1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula_to_a_spreadsheet(comment: str) -> None:
    row = Row("@", "TXT", 60, '"x"', comment)
    text = "".join(csv_lines([row]))
    _, cells = csv.reader(io.StringIO(text, newline=""))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert list(read(text.encode(), "example.com", "csv").comments.values()) == [comment]


@pytest.mark.parametrize(
    ("form", "text", "line", "reason"),
    [
        ("csv", "name,type\na,A\n", 1, "lacks content"),
        ("csv", "name,type,ttl,content\na,A,60,192.0.2.1\nb,A,60,192.0.2.256\n", 3, "content:"),
        ("csv", "name,type,ttl,content\na,A,soon,192.0.2.1\n", 2, "ttl:"),
        ("csv", 'name,type,content\n"a,A\n', 2, "not CSV"),
        ("csv", "", 1, "lacks"),
        ("csv", 'name,type,content\na,A,192.0.2.1\nb,X25,"""3z"""\n', 3, "BIND does not take this value of X25"),
        ("csv", "name|type|content\na|A|192.0.2.1\n", 1, "between commas, semicolons or tabs"),
        ("csv", "name;type;content\na;A;192.0.2.1,2\n", 2, "content:"),
        ("json", "{", 1, "not JSON"),
        ("json", "3", None, "expected a list"),
        ("json", '[{"name": "a", "type": "A", "ttl": 1, "content": "x"}]', 1, "content:"),
        ("json", "[3]", 1, "not an object"),
    ],
)
def test_what_is_wrong_is_told_by_line(form, text: str, line: int | None, reason: str) -> None:
    with pytest.raises(ZoneFileError) as refused:
        read(text.encode(), "example.com", form)
    (problem,) = refused.value.problems
    assert problem.line == line
    assert reason in problem.reason


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("json", "application/json")])
def test_an_export_imported_again_changes_nothing(api: Api, olivia: User, zone: Zone, form: str, kind: str) -> None:
    with change_set(zone) as changes:
        changes.create(name="t", type="TXT", ttl=60, content='"a" "b;c"', comment="-1 =x")
    client = api(olivia)
    table = whole(client.get(EXPORT, {"format": form}))
    again = client.post(f"{IMPORT}?replace=1", table, content_type=kind)
    assert (again.status_code, again.json()["change_set"]) == (200, None), again.json()


def test_a_new_zone_of_a_table_has_its_comments(api: Api, olivia: User) -> None:
    table = b"name,type,ttl,content,comment\n@,NS,60,ns.example.net.,\na,A,60,192.0.2.1,mine\n"
    made = api(olivia).post("/api/zones/new.example/import/", table, content_type="text/csv")
    assert made.status_code == 201, made.json()
    assert Record.objects.get(zone__name="new.example", name="a").comment == "mine"


@pytest.mark.parametrize(
    ("typed", "content"),
    [
        ("v=spf1 mx -all", '"v=spf1 mx -all"'),
        ("v=DKIM1; k=rsa; p=x", '"v=DKIM1; k=rsa; p=x"'),
        (f"{'x' * 255}y z", f'"{"x" * 255}" "y z"'),
        ('"a" b', '"a" "b"'),
        (r"\# 3 026162", '"ab"'),
    ],
)
def test_a_text_in_a_cell_needs_no_quotes(typed: str, content: str) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([["name", "type", "content"], ["a", "TXT", typed]])
    for form, text in (
        ("csv", table.getvalue()),
        ("json", json.dumps([{"name": "a", "type": "TXT", "ttl": 60, "content": typed}])),
    ):
        (record,) = read(text.encode(), "example.com", form).records
        assert record.content == content


def test_a_table_may_leave_the_apex_as_it_is(api: Api, olivia: User, zone: Zone) -> None:
    table = json.dumps([{"name": "www", "type": "A", "ttl": 60, "content": "192.0.2.9", "comment": "new"}])
    assert api(olivia).post(IMPORT, table, content_type="application/json").status_code == 409
    done = api(olivia).post(f"{IMPORT}?replace=1", table, content_type="application/json").json()
    assert (done["created"], done["deleted"]) == (1, 2)
    assert sorted(zone.records.values_list("type", flat=True)) == ["A", "NS", "SOA"]
    assert zone.records.get(type="A").comment == "new"


def test_what_a_merged_table_does_not_name_stays(api: Api, olivia: User, zone: Zone) -> None:
    table = "name,type,ttl,content\nnew,A,60,192.0.2.9\nwww,A,300,192.0.2.1\n"
    shown = api(olivia).post(f"{IMPORT}?merge=1&dry_run=1", table, content_type="text/csv").json()["difference"]
    assert (shown["added_count"], shown["removed_count"], shown["changed_count"]) == (1, 0, 1)
    done = api(olivia).post(f"{IMPORT}?merge=1", table, content_type="text/csv").json()
    assert (done["created"], done["deleted"]) == (1, 1)
    assert set(zone.records.filter(type="A").values_list("content", flat=True)) == {"192.0.2.1", "192.0.2.9"}


@pytest.mark.parametrize(
    ("kind", "piece"),
    [
        ("text/dns", "www A 192.0.2.9\nmail A 192.0.2.25\n"),
        ("text/csv", "name,type,content\nwww,A,192.0.2.9\nmail,A,192.0.2.25\n"),
    ],
)
def test_what_is_merged_without_a_ttl_takes_that_of_its_rrset_or_zone(
    api: Api, olivia: User, zone: Zone, kind: str, piece: str
) -> None:
    with change_set(zone) as changes:
        changes.update(zone.records.get(type="SOA"), ttl=7200)
    assert api(olivia).post(f"{IMPORT}?merge=1", piece, content_type=kind).status_code == 200
    assert dict(zone.records.filter(type="A").values_list("name", "ttl")) == {"www": 300, "mail": 7200}


def test_lines_of_a_zone_file_are_merged_without_soa_and_ns(api: Api, olivia: User, zone: Zone) -> None:
    lines = b"mail A 192.0.2.25\n@ MX 10 mail\n"
    alone = api(olivia).post(f"{IMPORT}?dry_run=1", lines, content_type="text/dns")
    assert (alone.status_code, b"merge" in alone.content) == (400, True)
    done = api(olivia).post(f"{IMPORT}?merge=1", lines, content_type="text/dns").json()
    assert (done["created"], done["deleted"]) == (2, 0)
    assert zone.records.filter(type__in=("SOA", "NS")).count() == 2


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_spreadsheets_of_all_countries_are_read(between: str) -> None:
    table = between.join(["name", "type", "content"]) + "\r\n" + between.join(["a", "TXT", '"x, y; z"']) + "\r\n"
    assert [record.content for record in read(table.encode(), "example.com", "csv").records] == ['"x, y; z"']
