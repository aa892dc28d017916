"""The operator's commands against a running site: doctor, replay, load test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.parts.redis_server import RedisServer
from tests.parts.site import Site


def findings(site: Site) -> dict[str, dict[str, Any]]:
    done = site.manage("realtime_doctor", "--json", check=False)
    return {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_the_doctor_finds_nothing_broken_on_a_site_that_runs(site: Site) -> None:
    found = findings(site)
    assert [name for name, finding in found.items() if finding["verdict"] == "broken"] == []
    assert found["running_site"]["verdict"] == "fine"


def test_the_doctor_says_what_is_wrong_and_what_to_do(
    start_site: Callable[..., Site], redis_server: RedisServer
) -> None:
    site = start_site(REDIS_URL=redis_server.url, SECRET_KEY="short" * 3)
    site.settings |= {"REALTIME_HEARTBEATS": "7", "TLS": "1"}  # misspelt; and a host name is missing
    found = findings(site)
    assert "DNSADMIN_REALTIME_HEARTBEATS" in found["environment"]["found"]
    assert (found["safety"]["verdict"], found["origins"]["verdict"]) == ("broken", "broken")
    assert "PostgreSQL" in found["database"]["advice"]
    assert found["channel_layer"]["verdict"] == "fine"
    redis_server.stop()
    found = findings(site)
    assert found["channel_layer"]["verdict"] == "broken"
    assert site.manage("realtime_doctor", check=False).returncode == 1


def test_a_replay_shows_the_log_as_a_user_sees_it(site: Site) -> None:
    before = json.loads(site.manage("realtime_status", "--json").stdout)
    site.client("olivia").post("/api/zones/", {"name": "replayed.example", "kind": "primary"})
    since = f"{before['epoch']}:{before['position']}"
    arguments = ("realtime_replay", "--since", since, "--zone", "replayed.example", "zone_created", "--json")
    (line,) = site.manage(*arguments).stdout.splitlines()
    assert json.loads(line)["data"]["zone"] == "replayed.example"
    assert site.manage(*arguments, "--user", "zoe").stdout == ""
    assert site.manage("realtime_replay", "--since", "nowhere:1", check=False).returncode == 1
    assert "no processor" in site.manage("realtime_replay", "--processor", "none", check=False).stderr


def test_a_tail_says_what_is_wrong_in_place_of_waiting_in_silence(site: Site) -> None:
    for arguments, words in (
        (("--since", "bad"), "not a position"),
        (("--since", "other:1"), "epoch_changed"),
        (("--user", "nobody"), "no active user"),
        ([f"x{n}_*" for n in range(65)], "too_many_subscriptions"),
    ):
        failed = site.manage("realtime_tail", "--count", "1", *arguments, check=False)
        assert failed.returncode == 1
        assert words in failed.stderr
        assert "Traceback" not in failed.stderr


def test_a_load_test_measures_and_fails_on_its_thresholds(site: Site) -> None:
    arguments = ("realtime_loadtest", "--clients", "20", "--rate", "5", "--seconds", "1", "--json")
    failed = site.manage(*arguments, "--least-ratio", "1000000", check=False)
    result = json.loads(failed.stdout)
    assert (result["clients"], result["lost"]) == (20, 0)
    assert result["ratio"] > 0
    assert failed.returncode == 1
    assert "ratio" in failed.stderr
