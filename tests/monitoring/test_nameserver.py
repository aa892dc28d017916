"""The name server over time: starts, stops, reloads and changes told once, queries counted exactly."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User

from dnsadmin.keeper import NamedKeeper
from monitoring import health, nameserver, series
from monitoring.models import NameServerState, Sample
from monitoring.nameserver import NameServerWatch
from realtime import audience, filters, log
from realtime.events import EventType
from realtime.models import LogEvent
from tests.nameserver.conftest import dig
from zones.nameserver import control
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.private import FORWARD_ZONES, PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.nameserver.statistics import figures

pytestmark = pytest.mark.django_db

TOLD = (
    EventType.SERVICE_STARTED,
    EventType.SERVICE_STOPPED,
    EventType.BIND_RELOAD,
    EventType.BIND_CONFIG_CHANGE,
)


@pytest.fixture
def where(own_server: PrivateNamed) -> Endpoint:
    """The site's name server, which is the test's own."""
    return own_server.start()


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The flow events that were sent."""
    sent: list[Any] = []
    monkeypatch.setattr(nameserver, "stream", lambda _, payload: sent.append(payload))
    return sent


def told() -> list[tuple[str, dict[str, Any], str]]:
    """Events about the life of the server, oldest first: type, data, who."""
    rows = LogEvent.objects.filter(event_type__in=TOLD).order_by("id")
    return [(row.event_type, msgspec.json.decode(row.data), row.source_username) for row in rows]


def kinds() -> list[str]:
    return [kind for kind, _, _ in told()]


def add_forward_zone(named: PrivateNamed, where: Endpoint, name: str) -> None:
    clause = f'zone "{name}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port 9; }}; }};\n'
    (named.directory / FORWARD_ZONES).write_text(clause)
    Rndc(where).call("reconfig")


def test_a_life_is_told_once_whoever_looks(own_server: PrivateNamed, where: Endpoint) -> None:
    watch = NameServerWatch()
    watch.round()
    watch.round()
    assert kinds() == ["service_started"]
    own_server.stop()
    watch.round()
    NameServerWatch().round()  # another process takes over
    assert kinds() == ["service_started", "service_stopped"]
    own_server.start()
    NameServerWatch().round()
    watch.round()
    assert kinds() == ["service_started", "service_stopped", "service_started"]


def test_a_restart_between_two_looks_is_an_end_and_a_start(own_server: PrivateNamed, where: Endpoint) -> None:
    watch = NameServerWatch()
    watch.round()
    own_server.restart()
    watch.round()
    assert kinds() == ["service_started", "service_stopped", "service_started"]


def ask_for_something(where: Endpoint, times: int) -> None:
    for _ in range(times):
        dig(where, "missing.example", "A")


def end_of_the_span() -> None:
    """Ten seconds pass."""
    state = NameServerState.objects.get()
    state.counted_at -= timedelta(seconds=series.FINEST_S)
    state.save()


def kept() -> float:
    return sum(Sample.objects.filter(metric="dns_queries", step=86_400).values_list("total", flat=True))


def test_every_query_is_counted_and_none_twice(own_server: PrivateNamed, where: Endpoint) -> None:
    watch = NameServerWatch()
    watch.round()
    ask_for_something(where, 20)
    watch.round()

    # Killed between two looks: what was seen is kept. Whoever looks next goes on where this one ended.
    assert own_server._process is not None
    own_server._process.send_signal(signal.SIGKILL)
    own_server._process.wait()
    watch.round()
    assert kept() == 20
    own_server.restart()
    watch.round()
    ask_for_something(where, 5)
    end_of_the_span()
    NameServerWatch().round()
    assert kept() == 25
    end_of_the_span()
    watch.round()
    assert kept() == 25
    assert figures(where).counters["dns_queries"] == 5


def test_the_running_span_is_what_the_database_will_have(where: Endpoint, streamed: list[Any]) -> None:
    watch = NameServerWatch()
    watch.round()
    ask_for_something(where, 3)
    end_of_the_span()
    watch.round()
    bucket = streamed[-1].bucket
    row = Sample.objects.get(metric="dns_queries", step=series.FINEST_S, at=bucket["at"])
    assert row.total == bucket["totals"]["dns_queries"] == 3
    assert round(row.weight, 3) == bucket["weight"]


def test_what_was_counted_while_no_collector_ran_is_not_lost(own_server: PrivateNamed, where: Endpoint) -> None:
    NameServerWatch().round()
    ask_for_something(where, 7)
    end_of_the_span()
    NameServerWatch().round()
    assert kept() == 7


def test_a_reload_is_told_and_what_changed_by_it(own_server: PrivateNamed, where: Endpoint, olivia: User) -> None:
    watch = NameServerWatch()
    watch.round()
    add_forward_zone(own_server, where, "lab.example")
    watch.round()
    kind, data, _ = told()[-2]
    assert kind == "bind_reload"
    assert data["changed"] == 1
    kind, data, _ = told()[-1]
    assert kind == "bind_config_change"
    (change,) = data["changes"]
    assert change["field"] == 'zone "lab.example"'
    assert change["old"] is None
    assert "127.0.0.1 port 9" in change["new"]
    everything = "".join(str(event) for event in told())
    assert where.rndc_key.secret not in everything
    assert where.tsig.secret not in everything


def test_operators_see_which_statements_changed_and_not_to_what(
    own_server: PrivateNamed, where: Endpoint, olivia: User, vera: User, admin: User
) -> None:
    watch = NameServerWatch()
    watch.round()
    add_forward_zone(own_server, where, "lab.example")
    watch.round()
    event = log.as_event(LogEvent.objects.get(event_type=EventType.BIND_CONFIG_CHANGE))
    operator = filters.view(event, audience.of(olivia))
    assert operator is not None
    assert operator.event.data["changes"] == [{"field": 'zone "lab.example"', "old": None, "new": None}]
    assert operator.redacted == ("changes.*.new",)
    administrator = filters.view(event, audience.of(admin))
    assert administrator is not None
    assert administrator.event.data["changes"][0]["new"]
    assert filters.view(event, audience.of(vera)) is None
    started = log.as_event(LogEvent.objects.get(event_type=EventType.SERVICE_STARTED))
    assert filters.view(started, audience.of(vera)) is not None


def test_whoever_asks_for_a_stop_or_a_start_is_named(own_server: PrivateNamed, where: Endpoint, olivia: User) -> None:
    keeper = NamedKeeper(own_server)
    keeper.start()
    try:
        watch = NameServerWatch()
        watch.round()
        nameserver.ask(olivia, "stop")
        while own_server.pid is not None:  # it does not answer any more, and is about to end
            time.sleep(0.1)
        watch.round()
        state = NameServerState.objects.get()
        assert (state.up, state.reason) == (False, "it was stopped on purpose")
        nameserver.ask(olivia, "start")
        watch.round()
        nameserver.ask(olivia, "reconfig")
        watch.round()
        assert [(kind, who) for kind, _, who in told()] == [
            ("service_started", ""),
            ("service_stopped", "olivia"),
            ("service_started", "olivia"),
            ("bind_reload", "olivia"),
        ]
    finally:
        keeper.stop()


def ended() -> tuple[str, str, str]:
    """Of the last end: how severe, why, by whom."""
    row = LogEvent.objects.filter(event_type=EventType.SERVICE_STOPPED).order_by("-id")[0]
    return row.severity, msgspec.json.decode(row.data)["reason"], row.source_username


def test_a_restart_that_somebody_asks_for_is_no_error(own_server: PrivateNamed, where: Endpoint, olivia: User) -> None:
    keeper = NamedKeeper(own_server)
    keeper.start()
    try:
        watch = NameServerWatch()
        watch.round()
        booted_at = NameServerState.objects.get().booted_at
        nameserver.ask(olivia, "restart")
        watch.round()
        assert NameServerState.objects.get().booted_at > booted_at
        assert ended() == ("info", "restarted by olivia", "olivia")
        assert [(kind, who) for kind, _, who in told()][-1] == ("service_started", "olivia")
        assert own_server._process is not None
        own_server._process.kill()
        own_server._process.wait()
        watch.round()
        assert ended()[0] == "error", "what happens after it, nobody has asked for"
    finally:
        keeper.stop()


def test_a_restart_of_the_site_is_no_error_and_a_death_is_one(own_server: PrivateNamed, where: Endpoint) -> None:
    watch = NameServerWatch()
    watch.round()
    own_server.stop()
    time.sleep(1)  # the server tells when it began to the second
    own_server.start()
    watch.round()
    assert ended() == ("info", "the site stopped it", "")
    assert own_server._process is not None
    own_server._process.kill()
    own_server._process.wait()
    time.sleep(1)
    own_server.restart()
    watch.round()
    assert ended() == ("error", "it ended, and was started again", "")


def test_a_server_that_hangs_is_down_and_what_it_counted_is_not_lost(
    own_server: PrivateNamed, where: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nameserver, "TIMEOUT_S", 0.5)
    watch = NameServerWatch()
    watch.round()
    ask_for_something(where, 3)
    assert own_server._process is not None
    own_server._process.send_signal(signal.SIGSTOP)
    while "service_stopped" not in kinds():  # its threads stop one after the other
        watch.round()
    severity, reason, _ = ended()
    assert (severity, "gave no answer within" in reason) == ("error", True)
    own_server._process.send_signal(signal.SIGCONT)
    watch.round()
    assert kinds() == ["service_started", "service_stopped", "service_started"]
    end_of_the_span()
    watch.round()
    assert kept() == 3


def test_while_it_restarts_its_health_is_not_told_bad(own_server: PrivateNamed, where: Endpoint, olivia: User) -> None:
    watch = NameServerWatch()
    watch.round()
    NameServerState.objects.update(asked_by=olivia.pk, asked_for="restart", asked_at=datetime.now(UTC))
    own_server.stop()
    watch.round()
    assert health.name_server("up").state == "up"
    NameServerState.objects.update(asked_at=datetime.now(UTC) - nameserver.ASKED_WITHIN)
    assert health.name_server("up") == health.Finding("down", "restarted by olivia", planned=True)


def test_a_configuration_that_named_would_refuse_is_not_read(
    own_server: PrivateNamed, where: Endpoint, olivia: User
) -> None:
    before = control.status(where).configured_at
    (own_server.directory / FORWARD_ZONES).write_text("zone {")
    for action in ("reload", "reconfig"):
        with pytest.raises(NameServerError) as refused:
            nameserver.ask(olivia, action)
        assert refused.value.code == "bad_configuration"
    assert control.status(where).configured_at == before


def test_a_server_of_somebody_else_is_not_stopped(where: Endpoint) -> None:
    other = msgspec.structs.replace(where, private=False)
    with pytest.raises(NameServerError) as refused:
        control.act(other, "stop")
    assert refused.value.code == "not_ours"


def test_the_configuration_is_read_by_statement_and_without_secrets() -> None:
    text = """
    options { recursion yes; allow-query { 127.0.0.1; "none"; }; };
    key "k" { algorithm "hmac-sha256"; secret "c2VjcmV0"; };
    zone "a.example" { type forward; forwarders { 192.0.2.1 port 53; }; };
    logging { channel "q" { file "q.log"; }; category "queries" { "q"; }; };
    """
    found = control.statements(text)
    assert found["options.recursion"] == "yes"
    assert found["options.allow-query"] == '{ 127.0.0.1; "none"; }'
    assert found['zone "a.example"'] == "type forward; forwarders { 192.0.2.1 port 53; };"
    assert found['logging.channel "q"'] == '{ file "q.log"; }'
    assert found['logging.category "queries"'] == '{ "q"; }'
    assert "c2VjcmV0" not in str(found)
