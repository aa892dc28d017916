"""Each trigger with each action, made here and asked for with `dig` at the real `named`, which resolves for real."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from security.models import Rule
from security.rules import create_rule, delete_rule, retry_rule, update_rule
from tests.security.conftest import gone, in_force, status, wait_for

TRIGGERS = {
    "qname": ("qname", "www.victim.test", "www.victim.test"),
    "wildcard": ("qname", "*.victim.test", "www.victim.test"),
    "client_ip": ("client_ip", "127.0.0.9", "www.victim.test"),
    "client network": ("client_ip", "127.0.0.8/29", "www.victim.test"),
    "response_ip": ("response_ip", "192.0.2.20", "www.victim.test"),
    "response network": ("response_ip", "192.0.2.16/28", "www.victim.test"),
    "nsdname": ("nsdname", "ns.bad-host.test", "www.victim.test"),
    "nsdname wildcard": ("nsdname", "*.bad-host.test", "www.victim.test"),
    "nsip": ("nsip", "127.0.0.2", "www.victim.test"),
}
REAL = "192.0.2.20"


def acts(action: str, output: str, by_tcp: str) -> bool:
    """Whether `dig` saw the action. by_tcp: the same question by TCP."""
    match action:
        case "nxdomain":
            return status(output) == "NXDOMAIN"
        case "nodata":
            return status(output) == "NOERROR" and "ANSWER: 0" in output
        case "passthru":
            return REAL in output
        case "drop":
            return status(output) == "none"
        case "tcp_only":
            return "flags: qr tc" in by_tcp.partition("|")[0] and REAL in by_tcp.partition("|")[2]
        case "address":
            return "192.0.2.254" in output and REAL not in output
        case "name":
            return "www.good.test." in output and "192.0.2.10" in output
    raise AssertionError(action)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_action_acts_once_in_force_and_stops_when_deleted(policy, ask, trigger):
    kind, text, name = TRIGGERS[trigger]
    client = ("-b", "127.0.0.9") if kind == "client_ip" else ()
    ask(name)  # so that its name servers are known
    rule = in_force(create_rule(policy, trigger_type=kind, trigger=text, action="nxdomain", confirm=True))
    for action in ("nxdomain", "nodata", "passthru", "tcp_only", "address", "name", "drop"):
        target = {"address": "192.0.2.254", "name": "www.good.test"}.get(action, "")
        rule = in_force(update_rule(rule.pk, action="redirect" if target else action, target=target, confirm=True))
        impatient = ("+time=1",) if action == "drop" else ()
        plain, tcp = ask(name, *client, *impatient), ""
        if action == "tcp_only":
            tcp = f"{ask(name, '+ignore', *client)}|{ask(name, '+tcp', *client)}"
        assert acts(action, plain, tcp), f"{action}: {plain}{tcp}"
        if kind == "client_ip":
            assert REAL in ask(name, "-b", "127.0.0.77"), "another client is not concerned"
    delete_rule(rule.pk)
    gone(rule)
    assert REAL in ask(name, *client)


def test_the_other_family_too(policy, ask):
    """IPv6: an answer, and a redirect to it."""
    in_force(create_rule(policy, trigger_type="response_ip", trigger="2001:db8:bad::/48", action="nxdomain"))
    in_force(create_rule(policy, trigger="www.victim.test", action="redirect", target="192.0.2.254, 2001:db8::254"))
    assert status(ask("v6.victim.test", "-t", "AAAA")) == "NXDOMAIN"
    assert "2001:db8::254" in ask("www.victim.test", "-t", "AAAA")
    assert "192.0.2.254" in ask("www.victim.test", "-t", "A")


def test_a_wildcard_leaves_the_name_itself(policy, ask):
    in_force(create_rule(policy, trigger="*.www.good.test", action="nxdomain"))
    assert status(ask("deep.below.www.good.test")) == "NXDOMAIN"
    assert "192.0.2.10" in ask("www.good.test")


def test_a_rule_that_is_disabled_is_out_of_force_and_comes_back(policy, ask):
    rule = in_force(create_rule(policy, trigger="www.good.test"))
    assert status(ask("www.good.test")) == "NXDOMAIN"
    in_force(update_rule(rule.pk, enabled=False))
    assert "192.0.2.10" in ask("www.good.test")
    in_force(update_rule(rule.pk, enabled=True, action="redirect", target="192.0.2.254"))
    assert "192.0.2.254" in ask("www.good.test")


def test_a_rule_runs_out_by_itself(policy, ask):
    soon = timezone.now() + timedelta(seconds=2)
    rule = in_force(create_rule(policy, trigger="www.good.test", expires_at=soon))
    assert status(ask("www.good.test")) == "NXDOMAIN"
    wait_for(lambda: "192.0.2.10" in ask("www.good.test"))
    rule.refresh_from_db()
    assert not rule.enabled


def test_a_rule_that_the_server_refused_is_tried_again_when_asked(policy, ask):
    with transaction.atomic():
        rule = create_rule(policy, trigger="www.good.test")
        Rule.objects.filter(pk=rule.pk).update(sync_state="failed", sync_error="REFUSED")
    other = in_force(create_rule(policy, trigger="other.good.test"))
    assert "192.0.2.10" in ask("www.good.test"), "what was refused stays so by itself"
    retry_rule(rule.pk)
    in_force(rule)
    assert status(ask("www.good.test")) == "NXDOMAIN"
    assert in_force(policy).sync_error == ""
    for each in (rule, other):
        delete_rule(each.pk)
        gone(each)


def test_a_rule_on_trial_is_logged_and_does_not_act(policy, ask, enforcing):
    rule = in_force(create_rule(policy, trigger="www.good.test", trial=True))
    assert "192.0.2.10" in ask("www.good.test")
    log = enforcing.log_dir / "rpz.log"
    wait_for(lambda: "disabled rpz QNAME NXDOMAIN rewrite www.good.test" in log.read_text())
    in_force(update_rule(rule.pk, trial=False))
    assert status(ask("www.good.test")) == "NXDOMAIN"
