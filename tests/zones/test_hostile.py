"""What people may type into a name, a value, a comment, a search: stored as typed, refused in words, never obeyed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dns.zone
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.zones.examples import Api
from zones import names, rdata
from zones.models import Zone
from zones.names import readable
from zones.rrsets import RR

RECORDS = "/api/zones/example.com/records/"

INJECTIONS = [
    "x\nwww 1 IN A 203.0.113.66",
    "x\r\n$INCLUDE /etc/passwd",
    'x" "y',
    "x; evil",
    "x ( y",
    "x) y",
    "$ORIGIN .",
    "$INCLUDE /etc/passwd",
    "$GENERATE 1-100000 a$ A 192.0.2.1",
    "-x",
    "x\x00y",
    "x\ty",
    "{ }; key",
    "@",
    "\\",
    "\\300",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "\u202eevil",
    "a" * 300,
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("field", ["name", "ttl", "type", "content", "comment"])
def test_a_hostile_string_adds_no_line_to_a_zone_file(
    api: Api, olivia: User, zone: Zone, tmp_path: Path, field: str, text: str
) -> None:
    record: dict[str, Any] = {"name": "h", "type": "TXT", "ttl": 60, "content": '"fine"', "comment": ""} | {field: text}
    answer = api(olivia).post(RECORDS, record)
    assert answer.status_code in (201, 400), answer.data
    if answer.status_code == 400:
        assert answer.data["errors"]

    # What is stored is written as lines and read again, by dnspython and by BIND: not one record more or less.
    rows = [row.rr for row in zone.records.all()]
    lines = [f"{names.absolute(row.name, 'example.com')} {row.ttl} IN {row.type} {row.content}\n" for row in rows]
    read = dns.zone.from_text("".join(lines), origin="example.com", relativize=False)
    again = [
        RR(names.relative(name.to_text(), "example.com"), rdata.type_name(value.rdtype.name), ttl, value.to_text())
        for name, ttl, value in read.iterate_rdatas()
    ]
    assert sorted(again, key=str) == sorted(rows, key=str)
    file = tmp_path / "zone"
    file.write_text("".join(lines))
    checked = subprocess.run(["named-checkzone", "-D", "example.com", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert len([line for line in checked.stdout.splitlines() if not line.startswith(";")]) == len(rows)


@pytest.mark.parametrize("text", [*INJECTIONS, "%", "_", "\\", "\ud800", "a" * 10_000])
@pytest.mark.parametrize("parameter", ["search", "name", "type", "page", "page_size"])
def test_a_hostile_search_finds_nothing_it_should_not(
    api: Api, olivia: User, zone: Zone, parameter: str, text: str
) -> None:
    answer = api(olivia).get(RECORDS, {parameter: text.encode("utf-8", "surrogatepass")})
    assert answer.status_code in (200, 400, 404), answer.data
    if answer.status_code == 200 and parameter == "search":
        found = answer.data["results"]
        assert all(text in row["name"] + row["content"] + row["comment"] for row in found)


def test_names_are_typed_in_any_script_and_stored_in_ascii(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).post(RECORDS, {"name": "München", "type": "CNAME", "ttl": 60, "content": "straße.example."})
    assert answer.status_code == 201, answer.data
    assert (answer.data["name"], answer.data["name_unicode"]) == ("xn--mnchen-3ya", "münchen")
    assert answer.data["content"] == "xn--strae-oqa.example."


def test_a_zone_is_found_under_both_its_names(api: Api, client: Client, olivia: User, db: None) -> None:
    page, client = client, api(olivia)
    page.force_login(olivia)
    assert client.post("/api/zones/", {"name": "Bücher.example"}).status_code == 201
    for name in ("xn--bcher-kva.example", "bücher.example", "BÜCHER.example."):
        answer = client.get(f"/api/zones/{name}/")
        assert answer.status_code == 200, name
        assert answer.data["name_unicode"] == "bücher.example"
        assert "bücher.example</span></h1>" in page.get(f"/zones/{name}/").content.decode()
        assert 'data-zone="xn--bcher-kva.example"' in page.get("/zones/", {"q": name}).content.decode()


@pytest.mark.parametrize("name", ["💩", "a\u200db", "\u202eb", "xn--a\u0327ü", "ﷺ" * 30])
def test_what_is_no_internationalised_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        names.relative(name, "example.com")


# The table that the page's own reading is tested by, too: `tests/js/names.test.js`.
@pytest.mark.parametrize(
    ("name", "shown"), json.loads(Path(__file__).with_name("readable_names.json").read_text()).items()
)
def test_a_name_reads_as_in_the_page(name: str, shown: str) -> None:
    assert readable(name) == shown


@pytest.mark.parametrize("name", ["xn--a", "xn--ls8h", "xn--99999999", "xn--abc-"])
def test_what_is_no_internationalised_label_misleads(name: str) -> None:
    assert names.suspicious(name) != []


@pytest.mark.parametrize("declared", rdata.catalogue(), ids=lambda declared: declared.name)
def test_the_example_of_each_type_is_canonical_in_one_step(declared: rdata.RecordType) -> None:
    once = rdata.canonical(declared.name, declared.example, "example.com")
    assert rdata.canonical(declared.name, once, "example.net") == once
    assert declared.help
    assert declared.fields


@pytest.mark.parametrize(("octets", "fits"), [(65_535, True), (65_536, False)])
def test_rdata_is_at_most_65535_octets(octets: int, fits: bool) -> None:
    # 255 strings of 256 octets with their length, and one that fills up.
    strings = ["x" * 255] * 255 + ["x" * (octets - 255 * 256 - 1)]
    content = " ".join(f'"{string}"' for string in strings)
    if fits:
        assert rdata.canonical("TXT", content, "example.com") == content
    else:
        with pytest.raises(ValueError):
            rdata.canonical("TXT", content, "example.com")
