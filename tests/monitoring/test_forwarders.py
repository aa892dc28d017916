"""Forwarders: given to the name server, watched, failed over, and told of, against small servers that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from monitoring.demo import SmallServer
from monitoring.forwarding import applying, probes
from monitoring.forwarding.probes import Question, Server, ask_all
from monitoring.forwarding.watch import ForwarderWatch
from monitoring.models import Forwarder, Sample
from realtime.alerts import Alert
from realtime.events import EventType
from realtime.models import LogEvent
from tests.monitoring.small_servers import Stage, certificate, stage
from tests.nameserver.conftest import dig
from tests.zones.examples import Api
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.private import FORWARD_ZONES, PrivateNamed

pytestmark = pytest.mark.django_db

EXPECTED = "SOA ns1.branch.example. hostmaster.branch.example."


@pytest.fixture
def servers() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here answers late; those that do not answer at all need not be waited for."""
    monkeypatch.setattr(probes, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(ask_all, "__kwdefaults__", {"timeout_s": 0.3})


def target(server: SmallServer, **more: Any) -> dict[str, Any]:
    return {"address": "127.0.0.1", "port": server.port, **more}


def add(api: Any, *servers: SmallServer, **fields: Any) -> Forwarder:
    body = {"domain": "lab.example", "targets": [target(server) for server in servers], **fields}
    answer = api.post("/api/forwarders/", body)
    assert answer.status_code == 201, answer.content
    return Forwarder.objects.get(pk=answer.json()["id"])


def rounds(watch: ForwarderWatch, number: int) -> None:
    for _ in range(number):
        watch.round()


def told() -> list[tuple[bool, str, str]]:
    """Changes of state, oldest first: whether it was about a target, from, to."""
    rows = LogEvent.objects.filter(event_type=EventType.FORWARDER_STATUS_CHANGE).order_by("id")
    events = [msgspec.json.decode(row.data) for row in rows]
    return [(event["target"] is not None, event["old"], event["new"]) for event in events if event["old"] != "none"]


def states(forwarder: Forwarder) -> list[str]:
    return [each.state for each in forwarder.targets.all()]


def test_the_name_server_asks_the_first_target_that_works(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User
) -> None:
    where = own_server.start()
    first, second = servers.server(), servers.server()
    forwarder = add(api(olivia), first, second)
    assert [line[-1] for line in dig(where, "www.lab.example", "A", "+rec")] == ["192.0.2.10"]
    assert (first.asked, second.asked) == (1, 0)

    watch = ForwarderWatch()
    rounds(watch, 3)
    first.mood = "silent"
    rounds(watch, 3)
    assert states(forwarder) == ["down", "up"]
    before = second.asked
    assert [line[-1] for line in dig(where, "www.lab.example", "A", "+rec")] == ["192.0.2.10"]
    assert second.asked == before + 1, "it has failed over"

    first.mood = "good"
    rounds(watch, 3)
    assert [each.in_use for each in forwarder.targets.all()] == [True, False], "and back, in order"


def test_a_target_that_dies_is_told_once_with_its_measurements_and_raises_an_alert(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User
) -> None:
    own_server.start()
    only = servers.server()
    forwarder = add(api(olivia), only)
    watch = ForwarderWatch()
    rounds(watch, 3)
    only.mood = "silent"
    rounds(watch, 6)
    assert told() == [
        (True, "unknown", "up"),
        (False, "unknown", "up"),
        (True, "up", "down"),
        (False, "up", "down"),
    ]
    event = LogEvent.objects.filter(event_type=EventType.FORWARDER_STATUS_CHANGE).latest("id")
    data = msgspec.json.decode(event.data)
    assert "no answer within" in data["reason"]
    assert data["targets"][0]["loss_percent"] == 50
    (alert,) = Alert.objects.all()
    assert (alert.severity, alert.state) == ("critical", "open")
    assert "lab.example" in alert.title
    only.mood = "good"
    rounds(watch, 3)
    assert Alert.objects.get().state == "resolved"
    forwarder.refresh_from_db()
    assert forwarder.state == "up"


def test_a_slow_target_is_degraded_with_the_reason(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_server.start()
    monkeypatch.setattr(ask_all, "__kwdefaults__", {"timeout_s": 5})
    slow, good = servers.server(), servers.server()
    forwarder = add(api(olivia), slow, good, slow_ms=400)
    watch = ForwarderWatch()
    rounds(watch, 3)
    slow.mood = "slow"  # by 500 ms
    rounds(watch, 3)
    assert states(forwarder) == ["degraded", "up"]
    forwarder.refresh_from_db()
    assert forwarder.state == "degraded"
    assert "it is slow" in forwarder.reason
    assert Alert.objects.get().severity == "warning"


@pytest.mark.parametrize("expected", ["", EXPECTED])
def test_a_target_that_answers_wrongly_is_degraded(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User, expected: str
) -> None:
    own_server.start()
    good, liar, other = servers.server(), servers.server(), servers.server()
    forwarder = add(api(olivia), good, liar, other, expected=expected)
    watch = ForwarderWatch()
    rounds(watch, 3)
    liar.mood = "wrong"
    rounds(watch, 2)
    assert states(forwarder) == ["up", "up", "up"]
    watch.round()
    assert states(forwarder) == ["up", "degraded", "up"]


def test_one_probe_more_or_less_flaps_nothing(own_server: PrivateNamed, servers: Stage, api: Api, olivia: User) -> None:
    own_server.start()
    server = servers.server()
    add(api(olivia), server)
    watch = ForwarderWatch()
    rounds(watch, 3)
    for _ in range(3):
        server.mood = "refusing"
        rounds(watch, 1)
        server.mood = "good"
        rounds(watch, 8)
    assert told() == [(True, "unknown", "up"), (False, "unknown", "up")]


def test_figures_of_every_target_are_kept(own_server: PrivateNamed, servers: Stage, api: Api, olivia: User) -> None:
    own_server.start()
    forwarder = add(api(olivia), servers.server())
    rounds(ForwarderWatch(), 4)
    (one,) = forwarder.targets.all()
    row = Sample.objects.get(metric=f"target_{one.pk}_latency", step=3600)
    assert row.weight == 4
    answer = api(olivia).get("/api/monitoring/series/", {"metric": f"target_{one.pk}_loss", "from": "-60"}).json()
    assert answer["unit"] == "%"
    assert {point["value"] for point in answer["points"]} == {0}


def test_the_forwarder_for_everything_stands_in_the_options(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User
) -> None:
    where = own_server.start()
    server = servers.server()
    forwarder = add(api(olivia), server, domain=".")
    assert forwarder.apply_error == ""
    assert [line[-1] for line in dig(where, "www.elsewhere.example", "A", "+rec")] == ["192.0.2.10"]
    assert api(olivia).delete(f"/api/forwarders/{forwarder.pk}/").status_code == 204
    assert dig(where, "www.elsewhere.example", "A", "+rec") == []


def test_a_test_asks_every_target_over_udp_and_tcp(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User
) -> None:
    own_server.start()
    good, bad = servers.server(), servers.server()
    forwarder = add(api(olivia), good, bad)
    bad.mood = "refusing"
    answer = api(olivia).post(f"/api/forwarders/{forwarder.pk}/test/").json()
    assert answer["ok"] is False
    assert answer["question"] == "lab.example SOA"
    found = [(each["transport"], each["ok"], each["rcode"]) for each in answer["results"]]
    assert found == [
        ("udp", True, "NOERROR"),
        ("tcp", True, "NOERROR"),
        ("udp", False, "REFUSED"),
        ("tcp", False, "REFUSED"),
    ]
    assert answer["results"][0]["records"] == [EXPECTED]
    assert states(forwarder) == ["unknown", "unknown"], "a test counts for no state"
    servers.end(bad)
    gone = api(olivia).post(f"/api/forwarders/{forwarder.pk}/test/").json()["results"]
    assert gone[3]["error"]
    assert gone[3]["latency_ms"] is None


async def test_tls_is_spoken_and_its_name_is_checked_where_one_is_given(servers: Stage, tmp_path: Path) -> None:
    server = servers.server(tls=certificate(tmp_path))
    question = Question("lab.example", "SOA")
    how = Server(address="127.0.0.1", port=server.port, transport="dot")
    (answer,) = await ask_all([(how, question)], timeout_s=5)
    assert answer.ok, answer
    (named,) = await ask_all([(msgspec.structs.replace(how, tls_name="dns.example"), question)], timeout_s=5)
    assert not named.ok
    assert "TLS" in named.error


def test_while_the_name_server_is_down_a_forwarder_is_kept_and_applied_later(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User
) -> None:
    own_server.start()
    own_server.stop()
    forwarder = add(api(olivia), servers.server())
    assert "cannot be reached" in forwarder.apply_error
    where: Endpoint = own_server.start()
    ForwarderWatch().round()
    forwarder.refresh_from_db()
    assert forwarder.apply_error == ""
    assert [line[-1] for line in dig(where, "www.lab.example", "A", "+rec")] == ["192.0.2.10"]


def test_a_server_that_does_not_read_what_the_site_writes_is_told_the_line_to_add(
    own_server: PrivateNamed, servers: Stage, api: Api, olivia: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = msgspec.structs.replace(own_server.start(), private=False)  # its named.conf is somebody else's
    monkeypatch.setattr(applying, "endpoint", lambda: elsewhere)
    forwarder = add(api(olivia), servers.server())
    file = elsewhere.zone_dir / FORWARD_ZONES
    assert f'include "{file}";' in forwarder.apply_error
    with open(own_server.directory / "named.conf", "a") as configuration:
        configuration.write(f'include "{file}";\n')
    ForwarderWatch().round()
    forwarder.refresh_from_db()
    assert forwarder.apply_error == ""


# -- over HTTP, without a name server --------------------------------------------------------------------------------------

ONE = [{"address": "192.0.2.1"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domain": "lab.example", "targets": []}, "targets"),
        ({"domain": "lab.example", "targets": [{"address": "ns.example"}]}, "targets"),
        ({"domain": "lab.example", "targets": [{"address": "192.0.2.1", "port": 70_000}]}, "port"),
        ({"domain": "lab.example", "targets": [*ONE, *ONE]}, "targets"),
        ({"domain": "lab.example", "targets": [{"address": "192.0.2.1", "transport": "dot"}]}, "targets"),
        ({"domain": 'x" { }; //', "targets": ONE}, "domain"),
        ({"domain": "lab.example", "targets": ONE, "probe_type": "NOTHING"}, "probe_type"),
        ({"domain": "lab.example", "targets": ONE, "probe_type": "ANY"}, "probe_type"),
        ({"domain": "lab.example", "targets": ONE, "probe_name": "a..b"}, "probe_name"),
        ({"domain": "lab.example", "targets": [{"address": f"192.0.2.{n}"} for n in range(1, 30)]}, "targets"),
        ({"targets": ONE}, "domain"),
        ({"domain": "example.com", "targets": ONE}, "domain"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    api: Api, olivia: User, zone: Any, body: dict[str, Any], field: str
) -> None:
    answer = api(olivia).post("/api/forwarders/", body)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["errors"], answer.json()
    assert not Forwarder.objects.exists()


def test_who_may_see_and_who_may_change(api: Api, olivia: User, vera: User, zoe: User) -> None:
    made = api(olivia).post("/api/forwarders/", {"domain": "Lab.Example.", "targets": ONE})
    assert made.status_code == 201, made.content
    assert made.json()["domain"] == "lab.example"
    url = made["Location"]
    assert api(vera).get(url).json()["targets"][0]["address"] == "192.0.2.1"
    for answer in (
        api(vera).post("/api/forwarders/", {"domain": "b.example", "targets": ONE}),
        api(vera).patch(url, {"comment": "x"}),
        api(vera).delete(url),
        api(vera).post(f"{url}test/"),
        api(zoe).get(url),
        api(zoe).get("/api/forwarders/"),
    ):
        assert answer.status_code == 403
    assert api(olivia).post("/api/forwarders/", {"domain": "lab.example", "targets": ONE}).status_code == 400


def test_a_stale_change_is_refused_and_nothing_is_lost(api: Api, olivia: User) -> None:
    url = api(olivia).post("/api/forwarders/", {"domain": "lab.example", "targets": ONE})["Location"]
    first = api(olivia).patch(url, {"comment": "one", "version": 1})
    assert (first.status_code, first.json()["version"]) == (200, 2)
    stale = api(olivia).patch(url, {"comment": "two", "version": 1})
    assert stale.status_code == 409
    assert stale.json()["current"]["comment"] == "one"
    assert stale.json()["sent"]["comment"] == "two"
    assert api(olivia).delete(url, headers={"If-Match": '"1"'}).status_code == 409
    assert api(olivia).delete(url, headers={"If-Match": '"2"'}).status_code == 204


def test_targets_that_stay_keep_their_history(api: Api, olivia: User) -> None:
    targets = [{"address": "192.0.2.1"}, {"address": "192.0.2.2"}]
    made = api(olivia).post("/api/forwarders/", {"domain": "lab.example", "targets": targets})
    ids = {each["address"]: each["id"] for each in made.json()["targets"]}
    turned = [{"address": "192.0.2.3"}, {"address": "192.0.2.2"}]
    changed = api(olivia).patch(made["Location"], {"targets": turned}).json()
    assert [each["address"] for each in changed["targets"]] == ["192.0.2.3", "192.0.2.2"]
    assert changed["targets"][1]["id"] == ids["192.0.2.2"]


def test_a_change_is_an_event_whose_values_are_for_administrators(api: Api, olivia: User) -> None:
    made = api(olivia).post("/api/forwarders/", {"domain": "lab.example", "targets": ONE})
    api(olivia).patch(made["Location"], {"slow_ms": 50})
    event = LogEvent.objects.filter(event_type=EventType.CONFIG_CHANGE).latest("id")
    assert msgspec.json.decode(event.data) == {
        "what": "forwarder lab.example",
        "changes": [{"field": "slow_ms", "old": 300, "new": 50}],
    }
    assert event.source_username == "olivia"


# -- on the command line ---------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of `manage.py forwarders`, and what it printed."""
    try:
        call_command("forwarders", *arguments)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, capsys.readouterr().out


def test_forwarders_on_the_command_line_are_those_of_page_and_api(
    own_server: PrivateNamed, servers: Stage, olivia: User, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    where = own_server.start()
    first, second = servers.server(), servers.server()
    targets = [f"127.0.0.1#{server.port}" for server in (first, second)]
    assert run(capsys, "add", "Lab.Example", *targets, "--comment", "the lab", "--slow-ms", "200")[0] == 0
    assert [line[-1] for line in dig(where, "www.lab.example", "A", "+rec")] == ["192.0.2.10"]
    (one,) = api(olivia).get("/api/forwarders/").json()["results"]
    assert (one["domain"], one["comment"], one["slow_ms"]) == ("lab.example", "the lab", 200)
    assert [each["port"] for each in one["targets"]] == [first.port, second.port]

    code, listed = run(capsys, "list", "--json")
    assert (code, json.loads(listed)[0]["targets"][0]["in_use"]) == (0, True)
    second.mood = "refusing"
    code, found = run(capsys, "test", "lab.example.")
    assert code == 1
    assert f"127.0.0.1#{first.port} over udp: NOERROR in" in found
    assert f"127.0.0.1#{second.port} over tcp: it answers REFUSED" in found
    assert run(capsys, "change", "lab.example", targets[0], "--no-only")[0] == 0
    assert run(capsys, "test", "lab.example")[0] == 0
    assert run(capsys, "remove", "lab.example") == (0, "lab.example: removed\n")
    assert dig(where, "www.lab.example", "A", "+rec") == []
    assert LogEvent.objects.filter(event_type=EventType.CONFIG_CHANGE, origin="command").count() == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add"], "which forwarder"),
        (["add", "lab.example"], "from 1 to 16 targets"),
        (["add", "lab.example", "ns.example"], "is not an IP address"),
        (["add", "lab.example", "192.0.2.1 tcp udp"], "one way to speak to it"),
        (["add", "lab.example", "192.0.2.1 dot dns.example"], "cannot forward over TLS"),
        (["change", "lab.example", "192.0.2.1"], "There is no forwarder for lab.example"),
    ],
)
def test_what_cannot_be_is_refused_on_the_command_line(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("forwarders", *arguments)
    assert not Forwarder.objects.exists()
