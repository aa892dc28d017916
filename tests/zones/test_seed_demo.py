"""`manage.py seed_demo`: the demo's people and zones, once."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command

from realtime.alert_models import Alert
from security.feeds.registry import delete_feed
from security.models import Feed
from zones import access, names
from zones.models import ChangeSet, Zone

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _chosen_password(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.SITE = msgspec.structs.replace(settings.SITE, admin_password="chosen-for-the-demo")


def test_everyone_of_the_cast_can_do_what_their_role_says() -> None:
    call_command("seed_demo")
    zone, own = Zone.objects.get(name="example.com"), Zone.objects.get(name="team.example")
    rights = {
        user.username: [level for level in access.LEVELS if access.may(user, level, zone)]
        for user in User.objects.all()
    }
    assert rights == {
        "admin": ["view", "edit", "manage"],
        "olivia": ["view", "edit", "manage"],
        "sam": ["view"],
        "vera": ["view"],
        "zoe": [],
    }
    zoe = User.objects.get(username="zoe")
    assert access.may(zoe, "edit", own)
    assert list(access.visible_zones(zoe)) == [own]
    assert all(user.check_password("chosen-for-the-demo") for user in User.objects.all())


def test_every_zone_of_the_demo_is_one_that_named_loads_without_a_word(tmp_path: Path) -> None:
    call_command("seed_demo")
    for zone in Zone.objects.all():
        file = tmp_path / zone.name
        lines = [f"{names.absolute(r.name, zone.name)} {r.ttl} {r.type} {r.content}\n" for r in zone.records.all()]
        file.write_text("".join(lines))
        checked = subprocess.run(["named-checkzone", "-i", "local", zone.name, file], capture_output=True, text=True)
        assert checked.stdout.endswith("OK\n"), checked.stdout
        assert len(checked.stdout.splitlines()) == 2, checked.stdout


def test_a_second_run_changes_nothing_and_brings_back_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo")
    Zone.objects.get(name="example.net").delete()
    counts = Zone.objects.count(), ChangeSet.objects.count(), User.objects.count()
    capsys.readouterr()
    call_command("seed_demo")
    assert (Zone.objects.count(), ChangeSet.objects.count(), User.objects.count()) == counts
    assert not Zone.objects.living().filter(name="example.net").exists()
    assert capsys.readouterr().out == ""


def test_a_random_password_is_printed_once_and_works(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.SITE = msgspec.structs.replace(settings.SITE, admin_password="")
    call_command("seed_demo")
    password = capsys.readouterr().out.split()[-1]
    assert len(password) >= 12
    assert User.objects.get(username="admin").check_password(password)
    call_command("seed_demo")
    assert capsys.readouterr().out == ""
    assert User.objects.get(username="admin").check_password(password)


def test_it_refuses_where_others_could_reach_it(settings: Any) -> None:
    settings.SITE = msgspec.structs.replace(settings.SITE, bind="0.0.0.0")
    with pytest.raises(CommandError, match="loopback"):
        call_command("seed_demo")
    assert not User.objects.exists()


def test_one_alert_waits_for_somebody_and_one_is_taken_on() -> None:
    call_command("seed_demo")
    call_command("seed_demo")
    assert sorted(Alert.objects.values_list("state", "acknowledged_by")) == [("acknowledged", "olivia"), ("open", "")]
    assert "192.0.2.77" not in Alert.objects.get(state="open").title


def test_the_feed_of_the_demo_follows_the_site_to_another_port(settings: Any) -> None:
    settings.SITE = msgspec.structs.replace(settings.SITE, port=8123)
    call_command("seed_demo")
    feed = Feed.objects.get()
    assert feed.url == "http://127.0.0.1:8123/static/demo/blocked-names.txt"
    assert finders.find("demo/blocked-names.txt")
    settings.SITE = msgspec.structs.replace(settings.SITE, port=8124)
    call_command("seed_demo")
    assert Feed.objects.get().url == "http://127.0.0.1:8124/static/demo/blocked-names.txt"
    delete_feed(feed.pk)
    call_command("seed_demo")
    assert not Feed.objects.exists(), "one that was deleted stays so"
