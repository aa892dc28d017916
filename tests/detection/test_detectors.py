"""What each detector tells, with which evidence, and that everyday traffic is told by none."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest

from realtime.events import EventSeverity
from security.detection.conf import DetectionSettings
from security.detection.findings import Finding
from security.detection.floods import MOST_CLIENTS, Floods
from security.detection.generated import GeneratedNames
from security.detection.names import entropy, looks_generated, registered_domain
from security.detection.storms import NxdomainStorms
from security.detection.tunnels import Tunnels
from security.detection.windows import Windows
from tests.detection.traffic import everyday, made_up, queries, tunnel

CONF = DetectionSettings()


def findings(detector: object, asked: list, **more: str) -> list[Finding]:
    """What a detector tells of some traffic, in blocks as the follower reads them."""
    windows = Windows(detector)  # type: ignore[arg-type]
    asked = sorted(asked)
    found: list[Finding] = []
    for begin in range(0, len(asked), 700):
        found += windows.hear(queries(asked[begin : begin + 700], **more), now=0.0)
    found += windows.idle(now=1e6)
    return list({finding.key: finding for finding in found}.values())  # the last word on each matter


@pytest.mark.parametrize("detector", [Floods, Tunnels, GeneratedNames])
def test_everyday_traffic_is_told_by_none(detector: type) -> None:
    assert findings(detector(CONF), everyday(90, 300)) == []


@pytest.mark.parametrize(
    ("detector", "off"), [(Floods, "flood_per_s"), (Tunnels, "tunnel_names"), (GeneratedNames, "generated_names")]
)
def test_a_threshold_of_zero_switches_off(detector: type, off: str) -> None:
    conf = msgspec.structs.replace(CONF, **{off: 0, "fan_out": 0})
    asked = [(n / 900, "10.1.1.1", "www.example.com") for n in range(9000)] + tunnel(200, 9) + made_up(200, 9)
    assert findings(detector(conf), asked) == []


# -- floods -------------------------------------------------------------------------------------------------------------


def test_a_client_that_floods_is_told_with_what_it_asked_for() -> None:
    conf = msgspec.structs.replace(CONF, flood_per_s=100)
    flood = [(n / 200, "10.7.7.7", "www.example.com") for n in range(2000)]
    (found,) = findings(Floods(conf), everyday(10, 150) + flood)
    assert (found.key, found.client, found.severity) == ("flood:10.7.7.7", "10.7.7.7", EventSeverity.WARNING)
    assert found.evidence["queries_per_s"] == 200
    assert found.evidence["names"][0].startswith("www.example.com (")
    assert "10.7.7.7" not in found.title + found.detail


def test_a_short_burst_is_no_flood() -> None:
    conf = msgspec.structs.replace(CONF, flood_per_s=100)
    assert findings(Floods(conf), [(n / 900, "10.7.7.7", "www.example.com") for n in range(900)]) == []


def test_old_lines_that_are_read_at_once_are_counted_by_their_own_time() -> None:
    conf = msgspec.structs.replace(CONF, flood_per_s=100)
    assert findings(Floods(conf), [(n / 50, "10.7.7.7", "www.example.com") for n in range(50 * 120)]) == []


def test_forged_addresses_without_end_cost_bounded_memory_and_hide_no_flood() -> None:
    conf = msgspec.structs.replace(CONF, flood_per_s=100)
    detector = Floods(conf)
    for block in range(22):
        forged = [(0.0, f"2001:db8::{block:x}:{n:x}", "a.example.com") for n in range(5000)]
        detector.hear(queries(forged + [(0.0, "10.7.7.7", "a.example.com")] * 100))
        assert len(detector._counts) <= MOST_CLIENTS
    assert [finding.client for finding in detector.conclude(10)] == ["10.7.7.7"]


# -- tunnels ------------------------------------------------------------------------------------------------------------


def test_data_in_names_is_told_by_its_registered_domain() -> None:
    (found,) = findings(Tunnels(CONF), everyday(60, 100) + tunnel(200, 50), qtype="TXT")
    assert (found.key, found.domain, found.client) == ("tunnel:evil.example", "evil.example", "10.9.9.9")
    assert found.severity is EventSeverity.ERROR
    assert found.evidence["different_names"] == 200
    assert found.evidence["bits_per_character"] > 4
    assert found.evidence["types"] == ["TXT (200)"]


def test_what_is_beyond_the_threshold_is_told_before_the_window_ends() -> None:
    for detector, asked in ((Tunnels(CONF), tunnel(80, 10)), (GeneratedNames(CONF), made_up(60, 10))):
        windows = Windows(detector)
        assert len(windows.hear(queries(asked), now=0.0)) == 1
        assert windows.hear(queries(asked), now=0.0) == []


def test_the_same_long_names_again_and_again_are_no_tunnel() -> None:
    few = tunnel(20, 50)
    assert findings(Tunnels(CONF), [(n / 40, client, name) for n, (_, client, name) in enumerate(few * 100)]) == []


def test_long_names_of_words_are_no_tunnel() -> None:
    asked = [(n / 10, "10.1.1.1", f"{'aaaa-' * 8}{n:04}.assets.example.com") for n in range(500)]
    assert findings(Tunnels(CONF), asked) == []


def test_very_many_short_names_below_one_domain_are_told_as_less_sure() -> None:
    conf = msgspec.structs.replace(CONF, fan_out=500)
    asked = [(n / 20, f"10.1.1.{n % 9}", f"x{n:x}.victim.example") for n in range(1000)]
    (found,) = findings(Tunnels(conf), asked)
    assert (found.domain, found.severity, found.confidence) == ("victim.example", EventSeverity.WARNING, 50)


def test_ignored_domains_are_never_told() -> None:
    conf = msgspec.structs.replace(CONF, ignored_domains="evil.example")
    assert findings(Tunnels(conf), tunnel(300, 50)) == []


def test_of_a_flood_of_tunnels_a_sample_is_looked_at_and_the_evidence_says_so() -> None:
    detector = Tunnels(CONF)
    for block in range(50):
        detector.hear(queries([(0.0, "10.1.1.1", name) for _, _, name in tunnel(1000, 1, seed=block)]))
    (found,) = detector.conclude(60)
    assert found.evidence["sampled"].startswith("one of ")


# -- generated names ----------------------------------------------------------------------------------------------------


def test_a_client_that_asks_for_made_up_domains_is_told() -> None:
    (found,) = findings(GeneratedNames(CONF), everyday(60, 100) + made_up(60, 50))
    assert (found.key, found.client) == ("generated:10.8.8.8", "10.8.8.8")
    assert found.evidence["different_domains"] >= 30
    assert "10.8.8.8" not in found.title + found.detail


@pytest.mark.parametrize(
    "label", ["stackoverflow", "wikipedia", "münchen", "xn--mnchen-3ya", "kubernetes-dashboard", "bbc"]
)
def test_words_do_not_look_made_up(label: str) -> None:
    assert not looks_generated(label)


@pytest.mark.parametrize("label", ["xjwqkzvbnfh", "q7x9zk2vjw4p", "zxqjvkwpfgh"])
def test_random_letters_do(label: str) -> None:
    assert looks_generated(label)


# -- storms -------------------------------------------------------------------------------------------------------------


def test_a_storm_is_told_by_the_servers_own_counters_with_what_was_asked_meanwhile() -> None:
    storms = NxdomainStorms(CONF)
    storms.hear(queries([(0.0, "10.1.1.1", f"n{n}.gone.example") for n in range(50)]))
    assert storms.count({"dns_queries": 1000, "dns_nxdomain": 10}, 0.0) == []
    (found,) = storms.count({"dns_queries": 4000, "dns_nxdomain": 2410}, 10.0)
    assert found.evidence["nxdomain_per_s"] == 240
    assert found.evidence["domains"] == ["gone.example (50)"]


@pytest.mark.parametrize(
    ("queries_now", "nxdomain_now"),
    [(1900, 910), (100_000, 2000), (500, 0), (1000, 10)],
    ids=["few a second", "a small share", "the server began anew", "nothing was asked"],
)
def test_no_storm(queries_now: int, nxdomain_now: int) -> None:
    storms = NxdomainStorms(CONF)
    storms.count({"dns_queries": 1000, "dns_nxdomain": 10}, 0.0)
    assert storms.count({"dns_queries": queries_now, "dns_nxdomain": nxdomain_now}, 10.0) == []


# -- names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.com", "example.com"),
        ("www.bbc.co.uk", "bbc.co.uk"),
        ("com", "com"),
        (".", "."),
        (f"{'x.' * 60}example.org", "example.org"),
    ],
)
def test_the_registered_domain(name: str, domain: str) -> None:
    assert registered_domain(name) == domain


def test_entropy_in_bits_per_character() -> None:
    assert (entropy(""), entropy("aaaa"), entropy("abab")) == (0.0, 0.0, 1.0)


def test_hostile_names_cost_bounded_memory() -> None:
    detectors = [Floods(CONF), Tunnels(CONF), GeneratedNames(CONF)]
    blocks = [
        queries(
            [(0.0, f"10.{block}.{n % 250}.1", f"{n:x}z.{block}k{n % 997}.example{n % 89}.com") for n in range(3000)]
        )
        for block in range(6)
    ]
    tracemalloc.start()
    for block in blocks:
        for detector in detectors:
            detector.hear(block)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 40 * 1024 * 1024
