"""The single road of every write to what people say about a feed; what a refresh finds is written by `feeds.refresh`."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventType
from realtime.outbound import OutboundError, checked_url
from security import rules
from security.events import Change, FeedData, FeedEvent
from security.feeds.download import transfer_source
from security.feeds.entries import entries_file
from security.models import Feed, FeedFormat, PolicyKind
from zones.refusals import InvalidChange, StaleVersion
from zones.transfer_keys import known
from zones.validation import Problem

OWN = (
    "url",
    "format",
    "column",
    "subdomains",
    "category",
    "confidence",
    "reference",
    "interval_s",
    "allow_private",
    "key",
)
"""Fields of the feed itself; name, mode, position and comment are those of its policy."""
OF_CONTENT = frozenset({"url", "format", "column", "subdomains", "key"})
"""What makes other entries of it; all that is known of its last refresh counts no more then."""

SHORTEST_INTERVAL_S = 60
LONGEST_INTERVAL_S = 30 * 86_400


def create_feed(name: str, *, mode: str = "enforced", comment: str = "", **fields: Any) -> Feed:
    """Make a feed with its policy; it is fetched soon. Raises `InvalidChange`."""
    with transaction.atomic():
        feed = Feed(**fields)
        _check(feed)
        feed.policy = rules.create_policy(name, mode=mode, comment=comment, kind=PolicyKind.FEED)
        feed.next_at = timezone.now()
        feed.save()
        emit(EventType.THREAT_FEED_UPDATE, FeedEvent(feed=FeedData.of(feed), what="created"))
    return feed


def update_feed(pk: int, *, version: int | None = None, **fields: Any) -> Feed:
    """Change a feed, or its policy's own fields. Raises `Feed.DoesNotExist`, `StaleVersion`, `InvalidChange`."""
    with transaction.atomic():
        feed = Feed.objects.select_for_update(of=("self",)).select_related("policy").get(pk=pk)
        if version not in (None, feed.version):
            raise StaleVersion(snapshot(feed), {"version": version, **fields})
        policy_before = {field: getattr(feed.policy, field) for field in rules.POLICY_FIELDS}
        of_policy = {field: value for field, value in fields.items() if field in rules.POLICY_FIELDS}
        before = {field: getattr(feed, field) for field in OWN}
        for field, value in fields.items():
            if field in OWN:
                setattr(feed, field, value)
        _check(feed)
        if of_policy:
            feed.policy = rules.update_policy(feed.policy_id, **of_policy)
        changes = [
            Change(field=field, old=before[field], new=getattr(feed, field))
            for field in OWN
            if getattr(feed, field) != before[field]
        ]
        changed = {change.field for change in changes}
        changes += [
            Change(field=field, old=old, new=getattr(feed.policy, field))
            for field, old in policy_before.items()
            if getattr(feed.policy, field) != old
        ]
        if not changes:
            return feed
        if changed & OF_CONTENT:
            feed.etag = feed.last_modified = feed.source_digest = feed.digest = ""
            feed.next_at = timezone.now()
        feed.version += 1
        feed.save()
        emit(EventType.THREAT_FEED_UPDATE, FeedEvent(feed=FeedData.of(feed), what="changed", changes=changes))
    return feed


def delete_feed(pk: int, *, version: int | None = None) -> None:
    """Delete a feed with its policy; the name server forgets its entries."""
    with transaction.atomic():
        feed = Feed.objects.select_for_update(of=("self",)).select_related("policy").get(pk=pk)
        if version not in (None, feed.version):
            raise StaleVersion(snapshot(feed), {"version": version})
        told = FeedEvent(feed=FeedData.of(feed), what="deleted")
        rules.delete_policy(feed.policy_id)
        emit(EventType.THREAT_FEED_UPDATE, told)
        alerts.resolve(feed.alert_key, reason="The feed was deleted.")
    entries_file(pk).unlink(missing_ok=True)


def snapshot(feed: Feed) -> dict[str, Any]:
    """What people say about a feed, as plain values."""
    return {
        "id": feed.pk,
        **{field: getattr(feed.policy, field) for field in rules.POLICY_FIELDS},
        **{field: getattr(feed, field) for field in OWN},
        "version": feed.version,
    }


def _check(feed: Feed) -> None:
    problems = []
    try:
        if feed.url.startswith("axfr://"):
            transfer_source(feed.url)
        else:
            checked_url(feed.url)
    except OutboundError as error:
        problems.append(Problem(code=error.code, message=error.message, field="url"))
    if feed.url.startswith("axfr://") is not (feed.format == FeedFormat.RPZ) and feed.format != FeedFormat.AUTO:
        text = "a policy zone comes by axfr://host:port/zone, and nothing else does"
        problems.append(Problem(code="invalid", message=text, field="format"))
    if feed.key and not feed.url.startswith("axfr://"):
        problems.append(
            Problem(code="unwanted", message="a key goes with a transfer, axfr://host:port/zone", field="key")
        )
    elif feed.key and known(feed.key) is None:
        problems.append(Problem(code="unknown", message=f"there is no TSIG key {feed.key} here", field="key"))
    if not SHORTEST_INTERVAL_S <= feed.interval_s <= LONGEST_INTERVAL_S:
        text = f"from {SHORTEST_INTERVAL_S} to {LONGEST_INTERVAL_S} seconds"
        problems.append(Problem(code="invalid", message=text, field="interval_s"))
    if not 0 <= feed.confidence <= 100:
        problems.append(Problem(code="invalid", message="from 0 to 100", field="confidence"))
    if not 1 <= feed.column <= 50:
        problems.append(Problem(code="invalid", message="from 1 to 50", field="column"))
    if any(ord(character) < 32 for character in f"{feed.category}{feed.reference}"):
        problems.append(Problem(code="invalid", message="no control characters", field="category"))
    if problems:
        raise InvalidChange(problems)
