"""Records of every type through all of it, and back: API, `named`, AXFR, export, `named-checkzone`, import."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.parts.site import Site
from tests.zonefile.strategies import RDATA, SOA_RDATA
from zones import rdata
from zones.names import looks_like_address
from zones.nameserver.endpoint import saved
from zones.nameserver.transfer import transfer
from zones.rrsets import RR, group
from zones.zonefile.compile import program
from zones.zonefile.read import read_zone_file

pytestmark = pytest.mark.timeout(1800)

FEW, MANY = 8, 200
"""Records of each type."""

ALONE = {"CNAME", "DNAME"}
"""Types of which a name has one only."""

AT_ONCE = 500
NEW = ["TYPE65280"]
"""Beside the declared types, one that nobody knows (RFC 3597)."""


def test_every_declared_type_is_made_up_here():
    assert set(RDATA) | {"SOA"} >= {*rdata.TYPES, *NEW}


def test_records_of_every_type_come_back_as_they_went(site: Site) -> None:
    there_and_back(site, "few.example", FEW)


@pytest.mark.soak
def test_many_records_of_every_type_come_back_as_they_went(site: Site) -> None:
    there_and_back(site, "many.example", MANY)


def there_and_back(site: Site, zone: str, count: int) -> None:
    olivia, path = site.client("olivia"), f"/api/zones/{zone}/"
    made = olivia.post("/api/zones/", {"name": zone, "nameservers": ["ns.example.net"]})
    assert made.status == 201, made.text
    asked = list(records(count))
    for start in range(0, len(asked), AT_ONCE):
        changes = [{"op": "create", **record} for record in asked[start : start + AT_ONCE]]
        answer = olivia.post(f"{path}changes/", {"changes": changes})
        assert answer.status == 201, answer.text
    (soa,) = olivia.get(f"{path}records/", type="SOA").data["results"]
    for content in made_up(SOA_RDATA, count):
        answer = olivia.patch(f"{path}records/{soa['id']}/", {"content": content})
        assert answer.status == 200, answer.text
    wanted = group(in_the_api(olivia, path))
    assert {rrset.type for rrset in wanted} >= {*rdata.TYPES, *NEW}

    until_served(olivia, path)
    served = transfer(saved(site.data_dir / "named"), zone)
    assert list(served.rrsets) == wanted

    exported = olivia.get(f"{path}export/").body
    checked = subprocess.run(
        [program("named-checkzone"), "-i", "none", "-k", "ignore", zone, "/dev/stdin"],
        input=exported,
        capture_output=True,
    )
    assert checked.returncode == 0, checked.stdout.decode()
    assert group(read_zone_file(exported, zone).records) == wanted

    again = olivia.post(f"{path}import/?replace=1", exported, Content_Type="text/dns")
    assert (again.status, again.data["change_set"]) == (200, None), again.text

    site.client("admin").delete(path)
    anew = olivia.post(f"{path}import/", exported, Content_Type="text/dns")
    assert anew.status == 201, anew.text
    assert group(in_the_api(olivia, path)) == wanted
    until_served(olivia, path)
    assert list(transfer(saved(site.data_dir / "named"), zone).rrsets) == wanted


def records(count: int) -> Iterator[dict[str, Any]]:
    """`count` different values of each type, two at a name where a name may have two."""
    for kind in [*sorted(rdata.TYPES.keys() - {"SOA"}), *NEW]:
        values: dict[str, str] = {}
        for content in made_up(RDATA[kind], 3 * count):
            stored = rdata.canonical(kind, content, "many.example")
            if not looks_like_address(rdata.target(kind, stored) or "", "many.example"):  # a slip of the hand, refused
                values.setdefault(stored, content)
        for number, content in enumerate(islice(values.values(), count)):
            place = number if kind in ALONE else number // 2
            name = f"{kind.lower()}-{place}"
            yield {"name": name, "type": kind, "ttl": 60 + place, "content": content}
            if kind == "DS" and number % 2 == 0:  # it belongs to a delegation
                yield {"name": name, "type": "NS", "ttl": 60, "content": "ns.example.net."}


def made_up(strategy: Any, count: int) -> list[str]:
    found: list[str] = []

    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(content: str) -> None:
        found.append(content)

    collect()
    return found


def in_the_api(client: Any, path: str) -> Iterator[RR]:
    page = f"{path}records/?page_size=1000"
    while page:
        answer = client.get(page).data
        for record in answer["results"]:
            content = record["content"]
            if record["type"] == "SOA":
                words = content.split(" ")
                content = " ".join([*words[:2], "0", *words[3:]])
            yield RR(record["name"], record["type"], record["ttl"], content)
        page = (answer["next"] or "").replace(client.url, "")


def until_served(client: Any, path: str) -> None:
    deadline = time.monotonic() + 120
    while (zone := client.get(path).data)["sync_state"] != "served":
        assert time.monotonic() < deadline, zone
        assert zone["sync_state"] != "failed", zone["sync_error"]
        time.sleep(0.2)
