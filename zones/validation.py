"""The rules that records of a zone keep among each other: what breaks one is refused, what only looks wrong is said.

Errors are what `named` refuses to load, silently ignores in an update, or what RFC 1034, 1035, 2181 and 6672 forbid.
Pure functions on plain values: who asks brings the records (`zones.changes`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from zones import hostnames, names, rdata
from zones.rrsets import APEX, RR

MAX_TTL = 2**31 - 1
"""Seconds (RFC 2181, section 8)."""

MAX_COMMENT = 2000
"""Characters."""

BESIDE_CNAME = frozenset({"RRSIG", "NSEC", "KEY"})
"""What may stand at the name of a CNAME (RFC 4034, RFC 2181, section 10.1)."""

_SINGLE = {"CNAME": "RFC 1034", "DNAME": "RFC 6672", "SOA": "RFC 1035"}
_ADDRESSES = {"A", "AAAA"}
_WITHOUT_RULES = frozenset(rdata.TYPES) - {"CNAME", "DNAME", "SOA", "DS", "NS"}
"""Types of which a single one may stand at any name."""
_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, or looks wrong. code: stable, for programs; message: for people. field: of the record, or `""`.
    index: of the change, in its set, that brought it; `None` when no single one did."""

    code: str
    message: str
    field: str = ""
    index: int | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record as it would be, and the index of the change that makes it so (`None`: it was there)."""

    rr: RR
    index: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """Errors forbid the change, warnings do not."""

    errors: list[Problem]
    warnings: list[Problem]


TypesAt = Callable[[Collection[str]], Mapping[str, set[str]]]
"""Names of the zone -> the types that there would be at each (names with none may be missing)."""

Aliased = Callable[[], Collection[str]]
"""The names of the zone at which there would be a DNAME."""

Below = Callable[[str], Iterable[str]]
"""A name of the zone -> names below it at which there would be records, or some of many."""

Referrers = Callable[[Collection[str]], Iterable[tuple[str, str, str]]]
"""Names of the zone -> `(name, type, target)` of the records that point to one of them."""


def clean(zone: str, given: Mapping[str, object], index: int | None = None) -> tuple[dict[str, object], list[Problem]]:
    """The fields of one record, as typed, in the form they are stored in; and the problems of each on its own.

    given: any of `name, type, ttl, content, comment, private`; `type` has to come with `content`.
    """
    problems: list[Problem] = []
    cleaned = dict(given)

    def reject(field: str, code: str, message: str) -> None:
        problems.append(Problem(code=code, message=message, field=field, index=index))

    if "name" in given:
        try:
            cleaned["name"] = names.relative(str(given["name"]), zone)
        except ValueError as error:
            reject("name", "invalid_name", str(error))
    if "ttl" in given:
        ttl = given["ttl"]
        if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl <= MAX_TTL:
            reject("ttl", "invalid_ttl", f"a TTL is a whole number of seconds from 0 to {MAX_TTL} (RFC 2181)")
    if "type" in given:
        try:
            cleaned["type"] = rdata.type_name(str(given["type"]))
        except ValueError as error:
            reject("type", "invalid_type", str(error))
        else:
            if cleaned["type"] in rdata.DNSSEC_TYPES:
                reject("type", "invalid_type", f"{cleaned['type']} records are made by the name server")
            elif "content" in given:
                try:
                    cleaned["content"] = rdata.canonical(str(cleaned["type"]), str(given["content"]), zone)
                except ValueError as error:
                    reject("content", "invalid_content", str(error))
                else:
                    target = rdata.target(str(cleaned["type"]), str(cleaned["content"]))
                    if target is not None and names.looks_like_address(target, zone):
                        reject("content", "target_is_address", f"{cleaned['type']} takes a host name, not an address")
    if len(str(given.get("comment", ""))) > MAX_COMMENT:
        reject("comment", "too_long", f"a comment has at most {MAX_COMMENT} characters")
    if "\0" in str(given.get("comment", "")):
        reject("comment", "invalid_comment", "a comment has no NUL characters")
    return cleaned, problems


def judge(
    zone: str,
    touched: Mapping[str, Sequence[Entry]],
    types_at: TypesAt,
    referrers: Referrers,
    aliased: Aliased,
    below: Below,
) -> Verdict:
    """Whether the zone would keep the rules. zone: its name. touched: every name at which something changes -> all that
    would be there. At the apex of each zone there must be its SOA and NS, so they have to be among the entries when the
    apex is touched. Calls `types_at`, `referrers` and `aliased` at most once each, `below` for each new DNAME.
    """
    errors: list[Problem] = []
    warnings: list[Problem] = []
    for name, entries in touched.items():
        if len(entries) != 1 or entries[0].rr.type not in _WITHOUT_RULES:
            errors += _rules_of_a_name(name, entries)
    if APEX in touched:
        errors += _rules_of_the_apex(touched[APEX])
    pointing = _pointing(touched)
    about_targets = _targets(zone, pointing, types_at)
    errors += about_targets.errors
    warnings += about_targets.warnings
    warnings += _looks(zone, touched, pointing)
    warnings += _hidden(touched, frozenset(aliased()))
    warnings += _hiding(touched, below)
    gone = [name for name, entries in touched.items() if not entries]
    for name, kind, target in referrers(gone) if gone else ():
        warnings.append(
            Problem(code="dangling_target", message=f"{name} {kind} still points to {target}, which is gone")
        )
    return Verdict(errors, warnings)


def _rules_of_a_name(name: str, entries: Sequence[Entry]) -> list[Problem]:
    problems = []
    types: dict[str, list[Entry]] = {}
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        types.setdefault(entry.rr.type, []).append(entry)
        value = entry.rr.type, entry.rr.content
        if value in seen:
            problems.append(
                _problem(entries, "duplicate", f"{name} has this {entry.rr.type} already", "content", entry)
            )
        seen.add(value)
    for kind, rfc in _SINGLE.items():
        if len(types.get(kind, ())) > 1:
            problems.append(
                _problem(types[kind], f"{kind.lower()}_single", f"a name has one {kind} only ({rfc})", "type")
            )
    if "CNAME" in types:
        if name == APEX:
            problems.append(
                _problem(
                    types["CNAME"], "cname_apex", "the apex has an SOA and NS, so it can be no CNAME (RFC 1034)", "type"
                )
            )
        elif beside := sorted(types.keys() - BESIDE_CNAME - {"CNAME"}):
            text = f"{name} would be a CNAME and have {', '.join(beside)} too: a CNAME stands alone (RFC 1034, 3.6.2)"
            problems.append(_problem(entries, "cname_and_other_data", text, "type"))
    if "SOA" in types and name != APEX:
        problems.append(_problem(types["SOA"], "soa_apex", "an SOA stands at the apex only", "name"))
    if "DS" in types and name == APEX:
        problems.append(_problem(types["DS"], "ds_apex", "a DS belongs into the zone above (RFC 4034)", "name"))
    elif "DS" in types and "NS" not in types:
        text = f"a DS belongs to a delegation, and {name} has no NS: the name server would drop it without a word"
        problems.append(_problem(types["DS"], "ds_without_ns", text, "type"))
    if "NS" in types and _is_wildcard(name):
        problems.append(_problem(types["NS"], "wildcard", "a wildcard name cannot have NS (RFC 4592)", "name"))
    return problems


def _rules_of_the_apex(entries: Sequence[Entry]) -> list[Problem]:
    kinds = [entry.rr.type for entry in entries]
    problems = []
    if "SOA" not in kinds:
        problems.append(Problem(code="soa_missing", message="a zone needs its SOA record", field="type"))
    if "NS" not in kinds:
        problems.append(
            Problem(code="ns_missing", message="a zone needs at least one NS record at its apex", field="type")
        )
    return problems


def _hidden(touched: Mapping[str, Sequence[Entry]], aliased: Collection[str]) -> list[Problem]:
    """Records below a DNAME. `named` loads them without a word, and answers with the DNAME in their place."""
    problems = []
    for name, entries in touched.items() if aliased else ():
        above = next((candidate for candidate in _above(name) if candidate in aliased), None)
        if above is not None and any(entry.index is not None for entry in entries):
            text = f"{name} is below the DNAME of {above}, so that nobody ever gets what stands there (RFC 6672, 2.4)"
            problems.append(_problem(entries, "below_dname", text, "name"))
    return problems


def _hiding(touched: Mapping[str, Sequence[Entry]], below: Below) -> list[Problem]:
    """New DNAMEs above names that are there, and whose records are no part of the change."""
    problems = []
    for name, entries in touched.items():
        for entry in entries:
            if entry.rr.type != "DNAME" or entry.index is None:
                continue
            new = {owner for owner, theirs in touched.items() if any(each.index is not None for each in theirs)}
            if hidden := sorted(set(below(name)) - new):
                listed = ", ".join(hidden[:3]) + (" and more" if len(hidden) > 3 else "")
                text = f"{listed}: below this DNAME, so that nobody gets what stands there any more (RFC 6672, 2.4)"
                problems.append(_problem(entries, "hides_names", text, "name", entry))
    return problems


def _above(name: str) -> list[str]:
    """The names above a name of the zone, nearest first."""
    if name == APEX:
        return []
    labels = _UNESCAPED_DOT.split(name)
    return [*(".".join(labels[depth:]) for depth in range(1, len(labels))), APEX]


def _pointing(touched: Mapping[str, Sequence[Entry]]) -> list[tuple[Entry, str]]:
    """The records that point to a host, each with its target."""
    return [
        (entry, target)
        for entries in touched.values()
        for entry in entries
        if (target := rdata.target(entry.rr.type, entry.rr.content)) is not None
    ]


def _targets(zone: str, pointing: Iterable[tuple[Entry, str]], types_at: TypesAt) -> Verdict:
    """Records that point into the zone: whether what they point to is there, and is no alias."""
    to_see: list[tuple[Entry, str, str]] = []
    for entry, target in pointing:
        if entry.index is None and (entry.rr.name, entry.rr.type) != (APEX, "NS"):
            continue
        inside = names.within(target, zone) if target != "." else None
        if inside is not None:
            to_see.append((entry, target, inside))
    if not to_see:
        return Verdict([], [])
    there = types_at({candidate for _, _, inside in to_see for candidate in _candidates(inside)})
    errors: list[Problem] = []
    warnings: list[Problem] = []
    for entry, target, inside in to_see:
        problem = _about(entry.rr.type, entry.rr.name, target, inside, there)
        if problem is None:
            continue
        code, text = problem
        fatal = entry.rr.type == "NS" and entry.rr.name == APEX  # named does not load such a zone
        (errors if fatal else warnings).append(Problem(code=code, message=text, field="content", index=entry.index))
    return Verdict(errors, warnings)


def _about(kind: str, owner: str, target: str, inside: str, there: Mapping[str, set[str]]) -> tuple[str, str] | None:
    """What is wrong with a `kind` at `owner` that points to `inside`: a code and a sentence."""
    exact, *parents = _candidates(inside)
    # Below a delegation, or found elsewhere: not ours to know. The glue of the delegation itself is.
    cuts = [parent for parent in parents if {"NS", "DNAME"} & there.get(parent, set())]
    if cuts and (kind, cuts[0]) != ("NS", owner):
        return None
    if kind != "NS" and "NS" in there.get(exact, set()) and inside != APEX:
        return None
    types = there.get(exact) or next(
        (there[parent] for parent in parents if parent[0] == "*" and there.get(parent)), set()
    )
    if "CNAME" in types and kind != "CNAME":
        return "target_is_alias", f"{target} is a CNAME, and {kind} must not point to an alias (RFC 2181, 10.3)"
    if not types:
        return "dangling_target", f"there is no {target} in this zone"
    if kind in ("NS", "MX", "SRV") and not (types & (_ADDRESSES | {"CNAME"})):
        return "no_address", f"{target} has no address (A or AAAA)"
    return None


def _candidates(name: str) -> list[str]:
    """The name, then those that may stand in for it or hide it: wildcards and the names above, nearest first."""
    if name == APEX:
        return [APEX]
    labels = _UNESCAPED_DOT.split(name)
    found = [name]
    for depth in range(1, len(labels)):
        above = ".".join(labels[depth:])
        found += [f"*.{above}", above]
    return [*found, "*"]


def _looks(zone: str, touched: Mapping[str, Sequence[Entry]], pointing: Iterable[tuple[Entry, str]]) -> list[Problem]:
    """What is allowed but is usually a slip of the hand."""
    problems = []
    for name, entries in touched.items():
        if name.endswith(zone) or "xn--" in name or hostnames.is_odd(name):
            problems += _looks_of_a_name(zone, name, [entry for entry in entries if entry.index is not None])
        for entry in entries:
            if entry.rr.type == "TXT" and entry.index is not None and (text := _pasted(entry.rr.content)):
                problems.append(Problem(code="pasted_text", message=text, field="content", index=entry.index))
    for entry, target in pointing:
        if entry.index is None:
            continue
        if target.endswith(f"{zone}.{zone}.") and f".{names.within(target, zone)}".endswith(f".{zone}"):
            text = f"the target is {target}: is the final dot missing?"
            problems.append(Problem(code="doubled_zone", message=text, field="content", index=entry.index))
        if hostnames.target_unfit(entry.rr.type, target, zone):
            problems.append(_no_host(entry, target, "content"))
        for reason in names.suspicious(target) if "xn--" in target else ():
            problems.append(Problem(code="misleading_name", message=reason, field="content", index=entry.index))
    return problems


def _pasted(content: str) -> str | None:
    """What a TXT has in it that was meant for people or for zone files, not for those who look it up."""
    if "\\010" in content or "\\013" in content:
        return "the text has line breaks in it, which count: was it pasted in several lines?"
    if len(content) > 4 and content.startswith('"\\"') and content.endswith('\\""'):
        return "the text itself begins and ends with double quotes: are they meant?"
    return None


def _looks_of_a_name(zone: str, name: str, mine: Sequence[Entry]) -> list[Problem]:
    problems = []
    if _is_wildcard(name) and (aliases := [entry for entry in mine if entry.rr.type == "DNAME"]):
        text = "what a DNAME at a wildcard means is not defined (RFC 4592, 4.4)"
        problems.append(_problem(aliases, "wildcard", text, "name"))
    if mine and f".{name}".endswith(f".{zone}"):
        meant = name.removesuffix(zone).rstrip(".") or APEX
        text = f"the name is {names.absolute(name, zone)}: is {meant} meant?"
        problems.append(_problem(mine, "doubled_zone", text, "name"))
    problems += [_no_host(entry, name, "name") for entry in mine if hostnames.owner_unfit(entry.rr.type, name)]
    problems += [_problem(mine, "misleading_name", reason, "name") for reason in names.suspicious(name) if mine]
    return problems


def _no_host(entry: Entry, name: str, field: str) -> Problem:
    text = (
        f"{name} is no host name (RFC 1123), as {entry.rr.type} records want one: zones made here are served with it, but a "
        "name server that checks names (check-names) refuses it"
    )
    return Problem(code="no_host_name", message=text, field=field, index=entry.index)


def _is_wildcard(name: str) -> bool:
    return name == "*" or name.startswith("*.")


def _problem(entries: Sequence[Entry], code: str, message: str, field: str, entry: Entry | None = None) -> Problem:
    """A problem blamed on `entry`, or else on the last of `entries` that a change brought."""
    blamed = entry.index if entry is not None and entry.index is not None else None
    if blamed is None:
        blamed = next((candidate.index for candidate in reversed(entries) if candidate.index is not None), None)
    return Problem(code=code, message=message, field=field, index=blamed)
