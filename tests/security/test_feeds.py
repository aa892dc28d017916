"""Feeds: fetched, compiled, in force at the real `named`; and what broken ones leave alone."""

from __future__ import annotations

import contextlib
import json
import threading

import psutil
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from realtime.alert_models import Alert
from realtime.events import EventType
from realtime.models import LogEvent
from realtime.outbound import Limits
from security import enforcement
from security.feeds import download, refresh
from security.feeds.compiler import Job, compile_feed
from security.feeds.entries import entries_file, find
from security.feeds.registry import create_feed, delete_feed, update_feed
from security.models import Feed, Policy
from security.rules import create_policy, create_rule
from tests.security import peers
from tests.security.conftest import in_force, log_of, status, wait_for
from zones.nameserver import includes
from zones.nameserver.endpoint import new_key
from zones.nameserver.errors import CommandFailed
from zones.nameserver.private import TRANSFER_KEYS
from zones.nameserver.rndc import Rndc

TEN = b"".join(b"bad%d.victim.test\n" % number for number in range(10))
ADBLOCK = b"[Adblock Plus 2.0]\n! so\n||www.good.test^\n||other.good.test^$important\nx.test##.ad\n@@||fine.test^\n"
HOSTS = b"# a hosts file\n127.0.0.1 localhost\n0.0.0.0 www.good.test other.good.test # both\n::1 ip6-localhost\n"


def refreshed(feed: Feed, **options) -> Feed:
    done = refresh.refresh(feed.pk, **options)
    assert done is not None
    return done


def events(kind: EventType) -> list[dict]:
    return [json.loads(row.data) for row in LogEvent.objects.filter(event_type=kind).order_by("id")]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("hosts", HOSTS),
        ("domains", b"www.good.test\n*.other.good.test\n"),
        (
            "adblock",
            ADBLOCK,
        ),
        ("csv", b'"id","url"\n1,http://www.good.test/bad?x=1\n2,"other.good.test"\n'),
    ],
)
def test_each_format_is_in_force_with_all_below(make_feed, feed_server, ask, kind, body):
    feed_server.body = body
    feed = refreshed(make_feed(feed_server.url, format=kind if kind == "csv" else "auto", column=2))
    assert (feed.state, feed.error) == ("current", "")
    assert feed.entries == 2
    assert status(ask("www.good.test")) == "NXDOMAIN"
    assert status(ask("deep.other.good.test")) == "NXDOMAIN"
    assert "NOERROR" in ask("www.victim.test")


def test_a_feed_that_arrives_before_its_zone_is_known_is_in_force_with_it(enforcing, feed_server, ask):
    enforcement.stop()
    feed_server.body = b"www.good.test\n"
    feed = create_feed("Early", url=feed_server.url, allow_private=True)
    entries_file(feed.pk).unlink(missing_ok=True)
    feed = refreshed(feed)
    assert (feed.state, feed.error) == ("current", "")
    assert "192.0.2.10" in ask("www.good.test")
    enforcement.start()
    wait_for(lambda: status(ask("www.good.test")) == "NXDOMAIN")


def test_what_did_not_change_reloads_nothing(make_feed, feed_server, enforcing):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    reloads = log_of(enforcing, "named.log").count("reload done")
    refreshed(feed)
    assert feed_server.unchanged == 1
    feed_server.headers["ETag"] = '"always another"'
    refreshed(feed)
    feed_server.body = b"# only a comment is new\n" + TEN
    refreshed(feed)
    assert len(feed_server.requests) == 4
    assert log_of(enforcing, "named.log").count("reload done") == reloads


def test_a_change_tells_what_came_and_went(make_feed, feed_server, ask):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    feed_server.body = TEN.replace(b"bad0.", b"www.")
    feed = refreshed(feed)
    assert (feed.added, feed.removed, feed.samples["removed"]) == (1, 1, ["bad0.victim.test"])
    assert status(ask("www.victim.test")) == "NXDOMAIN"
    told = events(EventType.THREAT_FEED_UPDATE)[-1]
    assert (told["added"], told["removed_samples"]) == (1, ["bad0.victim.test"])


def test_the_allow_list_always_wins(policy, make_feed, feed_server, ask):
    feed_server.body = b"www.good.test\nother.good.test\n"
    refreshed(make_feed(feed_server.url))
    assert status(ask("www.good.test")) == "NXDOMAIN"
    in_force(create_rule(policy, trigger="www.good.test", action="passthru"))
    assert "192.0.2.10" in ask("www.good.test")
    later = in_force(create_policy("Made after the feed"))
    in_force(create_rule(later, trigger="*.good.test", action="passthru"))
    assert "192.0.2.11" in ask("other.good.test")


def test_lines_that_would_block_too_much_are_held_back(make_feed, feed_server, ask, db):
    from zones.lifecycle import create_zone

    create_zone("ours.test")
    feed_server.body = b"com\ntest\nours.test\nlocalhost\nin-addr.arpa\n*\nwww.victim.test\n"
    feed = refreshed(make_feed(feed_server.url))
    assert feed.entries == 1
    assert set(feed.samples["guarded"]) >= {"com", "ours.test", "in-addr.arpa"}
    assert "192.0.2.10" in ask("www.good.test")


def test_a_bad_line_is_counted_and_takes_nothing_down(make_feed, feed_server, ask):
    lines = [b"<script>alert(1)</script>", b"x" * 100_000, b"a..b", b"\xff\xfe", b"1.2.3.4", b"a" * 64 + b".test"]
    feed_server.body = TEN + b"\n".join(lines) + b"\nm\xc3\xbcnchen.test\nwww.victim.test\n"
    feed = refreshed(make_feed(feed_server.url))
    assert (feed.state, feed.entries, feed.bad) == ("current", 12, len(lines))
    assert status(ask("www.victim.test")) == "NXDOMAIN"
    assert status(ask("xn--mnchen-3ya.test")) == "NXDOMAIN"


BAD = {
    "empty": (lambda server: setattr(server, "body", b""), "empty"),
    "only comments": (lambda server: setattr(server, "body", b"# gone\n" * 100), "empty"),
    "binary": (lambda server: setattr(server, "body", bytes(range(256)) * 500), "binary"),
    "a web page": (lambda server: setattr(server, "body", b"<html><body>\n<p>Sign in first</p>\n" * 50), "unreadable"),
    "5xx": (lambda server: setattr(server, "status", 503), "bad_status"),
    "404": (lambda server: setattr(server, "status", 404), "bad_status"),
    "hang": (lambda server: setattr(server, "behave", peers.hang(server)), "timed_out"),
    "endless": (lambda server: setattr(server, "behave", peers.endless(server)), "too_large"),
    "truncated": (lambda server: setattr(server, "behave", peers.truncated), "truncated"),
    "bomb": (lambda server: setattr(server, "body", peers.bomb(64)), "too_large"),
    "shrank": (lambda server: setattr(server, "body", TEN[: TEN.index(b"bad7")]), "shrank"),
    "to metadata": (
        lambda server: setattr(server, "behave", peers.redirects("http://169.254.169.254/")), "address_refused",
    ),
    "to a file": (lambda server: setattr(server, "behave", peers.redirects("file:///etc/passwd")), "bad_url"),
    "round and round": (
        lambda server: setattr(server, "behave", peers.redirects("/again")), "too_many_redirects",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_feed_keeps_the_old_policy_and_raises_one_alert(make_feed, feed_server, ask, monkeypatch, case):
    monkeypatch.setattr(download, "LIMITS", Limits(total_s=5, silence_s=0.5, most_bytes=8 * 1024 * 1024))
    monkeypatch.setitem(download.download.__kwdefaults__, "limits", download.LIMITS)
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    spoil, code = BAD[case]
    spoil(feed_server)
    for _ in range(2):
        feed = refreshed(feed)
    assert (feed.state, feed.error_code, feed.entries) == ("failed", code, 10)
    assert status(ask("bad3.victim.test")) == "NXDOMAIN"
    assert status(ask("below.bad9.victim.test")) == "NXDOMAIN"
    assert Alert.objects.filter(key=f"feed-failed:{feed.pk}").count() == 1
    assert len(events(EventType.THREAT_FEED_FAILED)) == 1
    feed_server.behave, feed_server.status, feed_server.body = None, 200, TEN + b"www.good.test\n"
    assert refreshed(feed).state == "current"
    assert Alert.objects.get(key=f"feed-failed:{feed.pk}").state == "resolved"


@pytest.mark.soak
@pytest.mark.parametrize("case", ["endless", "bomb"])
def test_a_feed_without_end_costs_little_memory_at_the_real_limits(make_feed, feed_server, ask, case):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    if case == "bomb":
        feed_server.body = peers.bomb(2048)
    else:
        feed_server.behave = peers.endless(feed_server)
    before = psutil.Process().memory_info().rss
    most, ending = [before], threading.Event()

    def look() -> None:
        while not ending.wait(0.01):
            most.append(psutil.Process().memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        feed = refreshed(feed)
    finally:
        ending.set()
        looking.join()
    assert (feed.state, feed.error_code) == ("failed", "too_large")
    assert status(ask("bad3.victim.test")) == "NXDOMAIN"
    grown = (max(most) - before) / 2**20
    assert grown <= 64, f"{grown:.1f} MiB more"


def test_what_shrank_can_be_accepted(make_feed, feed_server, ask):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    feed_server.body = b"www.victim.test\n"
    assert refreshed(feed).state == "failed"
    assert refreshed(feed, accept=True).entries == 1
    assert status(ask("www.victim.test")) == "NXDOMAIN"
    assert "NXDOMAIN" in ask("bad3.victim.test"), "the name itself does not exist in that zone"


def test_loopback_is_not_fetched_from_unless_that_is_allowed(make_feed, feed_server):
    for url in (feed_server.url, feed_server.url.replace("127.0.0.1", "localhost")):
        feed = refreshed(make_feed(url, name=url[-20:], allow_private=False))
        assert (feed.state, feed.error_code) == ("failed", "address_refused")
    assert feed_server.requests == []


def test_a_policy_zone_comes_by_transfer(make_feed, enforcing, ask):
    """Another server's policy zone; here one that this very server has. What it lets through is left out."""
    file = enforcing.zone_dir / "elsewhere.db"
    head = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.elsewhere.test.\n"
    file.write_text(
        head + "www.good.test CNAME .\n*.victim.test CNAME *.\nother.good.test CNAME rpz-passthru.\n"
        "32.11.2.0.192.rpz-ip CNAME .\ncom CNAME rpz-drop.\n*.com CNAME .\n"
    )
    named = Rndc(enforcing)
    for name, allowed in (("elsewhere.example", "any"), ("closed.example", "none")):
        with contextlib.suppress(CommandFailed):
            named.call(f'delzone "{name}"')
        named.call(f'addzone "{name}" {{ type primary; file "{file}"; allow-transfer {{ {allowed}; }}; }};')
    feed = refreshed(make_feed(f"axfr://127.0.0.1:{enforcing.port}/elsewhere.example"))
    assert (feed.state, feed.error) == ("current", "")
    assert (feed.entries, feed.guarded) == (4, 1)
    assert status(ask("www.good.test")) == "NXDOMAIN"
    assert "ANSWER: 0" in ask("www.victim.test")
    assert status(ask("other.good.test")) == "NXDOMAIN", "by its address"
    closed = refreshed(make_feed(f"axfr://127.0.0.1:{enforcing.port}/closed.example", name="Closed"))
    assert closed.error_code == "refused"
    loopback = refreshed(make_feed(feed.url, name="Not allowed", allow_private=False))
    assert loopback.error_code == "address_refused"


def test_a_transfer_is_signed_where_the_other_server_wants_it(enforcing, feeds_analyst, ask):
    key = new_key("feed-key")
    includes.replace(enforcing, TRANSFER_KEYS, key.clause(), mode=0o600)
    file = enforcing.zone_dir / "signed.db"
    file.write_text("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.elsewhere.test.\nwww.good.test CNAME .\n")
    named = Rndc(enforcing)
    with contextlib.suppress(CommandFailed):
        named.call('delzone "signed.example"')
    named.call(f'addzone "signed.example" {{ type primary; file "{file}"; allow-transfer {{ key "feed-key"; }}; }};')
    fields = {"name": "Signed", "url": f"axfr://127.0.0.1:{enforcing.port}/signed.example", "allow_private": True}
    made = feeds_analyst.post("/api/rpz/feeds/", fields, format="json").json()
    assert refreshed(Feed.objects.get(pk=made["id"])).error_code == "refused"
    path = f"/api/rpz/feeds/{made['id']}/"
    wrong = feeds_analyst.patch(path, {"tsig": {"name": "feed-key", "secret": "AAAA"}}, format="json")
    assert wrong.status_code == 200
    assert refreshed(Feed.objects.get(pk=made["id"])).error_code == "refused"
    changed = feeds_analyst.patch(path, {"tsig": f"hmac-sha256:{key.name}:{key.secret}"}, format="json")
    assert changed.json()["key"] == "feed-key"
    assert key.secret not in changed.content.decode() + json.dumps(events(EventType.THREAT_FEED_UPDATE))
    feed = refreshed(Feed.objects.get(pk=made["id"]))
    assert (feed.state, feed.error, feed.entries) == ("current", "", 1)
    assert status(ask("www.good.test")) == "NXDOMAIN"
    elsewhere = feeds_analyst.patch(path, {"url": "https://lists.example.org/x"}, format="json")
    assert elsewhere.json()["errors"].keys() == {"key"}


@pytest.fixture
def feeds_analyst(transactional_db):
    """Somebody who may keep feeds, as a client of the API."""
    user = User.objects.create_superuser("ada")
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_an_entry_is_found_with_the_day_it_came(make_feed, feed_server):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    found = find(feed.pk, "deep.below.bad5.victim.test", subdomains=True)
    assert found is not None
    assert found.key == "bad5.victim.test"
    assert find(feed.pk, "bad5.victim.test", subdomains=True) == found
    assert find(feed.pk, "victim.test", subdomains=True) is None
    assert find(feed.pk, "deep.bad5.victim.test", subdomains=False) is None


def test_a_feed_on_trial_only_logs_and_one_that_is_deleted_is_gone(make_feed, feed_server, ask, enforcing):
    feed_server.body = b"www.good.test\n"
    feed = refreshed(make_feed(feed_server.url, mode="trial"))
    assert "192.0.2.10" in ask("www.good.test")
    update_feed(feed.pk, mode="enforced")
    in_force(Policy.objects.get(pk=feed.policy_id))
    assert status(ask("www.good.test")) == "NXDOMAIN"
    delete_feed(feed.pk)
    wait_for(lambda: "192.0.2.10" in ask("www.good.test"))


def test_a_server_that_refuses_the_zone_keeps_the_old_one(make_feed, feed_server, ask, monkeypatch):
    feed_server.body = TEN
    feed = refreshed(make_feed(feed_server.url))
    real = refresh._copy

    def spoiled(new, arriving):
        new.write_text(new.read_text() + "this is no record\n")
        real(new, arriving)

    monkeypatch.setattr(refresh, "_copy", spoiled)
    feed_server.body = TEN + b"www.good.test\n"
    feed = refreshed(feed)
    assert (feed.state, feed.error_code) == ("failed", "not_taken")
    assert status(ask("bad3.victim.test")) == "NXDOMAIN"
    assert "192.0.2.10" in ask("www.good.test")


def test_a_line_of_any_length_costs_a_block_of_memory(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"y" * 5_000_000 + b"\nbad.example.org\n" + b"z" * 3_000_000)
    job = Job(source=str(source), zone=str(tmp_path / "z"), entries=str(tmp_path / "e"), previous=str(tmp_path / "p"))
    outcome = compile_feed(job)
    assert (outcome.entries, outcome.bad) == (1, 2)
