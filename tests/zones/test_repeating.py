"""Requests sent again with an `Idempotency-Key`: one change, one answer."""

from __future__ import annotations

from django.contrib.auth.models import User

from tests.zones.examples import Api
from zones.models import ChangeSet, RepeatableRequest, Zone

PATH = "/api/zones/example.com/changes/"
ASKED = {"changes": [{"op": "create", "name": "new", "type": "A", "ttl": 60, "content": "192.0.2.9"}]}


def test_a_request_that_is_repeated_is_answered_and_not_carried_out_again(api: Api, olivia: User, zone: Zone) -> None:
    client, before = api(olivia), ChangeSet.objects.count()
    first = client.post(PATH, ASKED, headers={"Idempotency-Key": "a"})
    second = client.post(PATH, ASKED, headers={"Idempotency-Key": "a"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert ChangeSet.objects.count() == before + 1


def test_the_key_belongs_to_one_request_of_one_person(api: Api, olivia: User, zoe: User, zone: Zone) -> None:
    assert api(olivia).post(PATH, ASKED, headers={"Idempotency-Key": "a"}).status_code == 201
    other = api(olivia).post(PATH, ASKED | {"comment": "other"}, headers={"Idempotency-Key": "a"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert api(zoe).post(PATH, ASKED, headers={"Idempotency-Key": "a"}).status_code == 400  # a duplicate: carried out


def test_what_was_refused_may_be_tried_again_with_the_same_key(api: Api, olivia: User, zone: Zone) -> None:
    wrong = {"changes": [ASKED["changes"][0] | {"content": "nonsense"}]}
    assert api(olivia).post(PATH, wrong, headers={"Idempotency-Key": "a"}).status_code == 400
    assert RepeatableRequest.objects.count() == 0
    assert api(olivia).post(PATH, ASKED, headers={"Idempotency-Key": "a"}).status_code == 201


def test_headers_of_the_answer_come_again(api: Api, olivia: User, zone: Zone) -> None:
    record = ASKED["changes"][0] | {"name": "other"}
    answers = [
        api(olivia).post("/api/zones/example.com/records/", record, headers={"Idempotency-Key": "b"}) for _ in range(2)
    ]
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
