"""Zone files of other projects: each is imported and then served as it was imported, or refused with a reason; and what
`named` would load is what is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tests.zonefile import corpora
from tests.zonefile.corpora import Foreign
from tests.zonefile.looking import push, rows, served
from tests.zonefile.test_fuzz import DOCUMENTED, named_accepts
from zones.importing import import_zone
from zones.lifecycle import delete_zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError
from zones.zonefile.origin import origin_of
from zones.zonefile.problems import Problem, ZoneFileError

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]

NEEDS_NO_LINE = ("has 0 SOA records", "has no NS records", "CDS/CDNSKEY consistency checks failed")
"""What is wrong with a zone as a whole."""


@pytest.mark.parametrize(
    ("corpus", "least"),
    [
        pytest.param(corpora.dnspython, Counter(refused=4), id="dnspython"),
        pytest.param(corpora.octodns, Counter(accepted=1, refused=6), id="octodns"),
        pytest.param(corpora.bind_in_short, Counter(accepted=150, refused=150), id="bind in short"),
        pytest.param(corpora.bind, Counter(accepted=450, refused=200), id="bind", marks=pytest.mark.soak),
    ],
)
def test_every_zone_file_is_served_as_imported_or_refused_as_named_would(
    name_server: Endpoint, corpus: Callable[[], Sequence[Foreign]], least: Counter[str]
) -> None:
    counted: Counter[str] = Counter()
    wrong = []
    for foreign in {foreign.text: foreign for foreign in corpus()}.values():
        try:
            counted[_verdict(name_server, foreign)] += 1
        except (AssertionError, NameServerError) as error:
            wrong.append(f"{foreign.name}: {error}")
    assert not wrong
    assert counted >= least, counted


def _verdict(name_server: Endpoint, foreign: Foreign) -> str:
    origin = origin_of(foreign.text)
    name = "example" if origin is None else origin
    try:
        done = import_zone(foreign.text, name or ".")
    except ZoneFileError as error:
        _refused(foreign, name, error.problems)
        return "refused"
    assert named_accepts(foreign.text, name), "accepted here, but not by named"
    try:
        assert sum(len(rrset.rdata) for rrset in rows(done.zone)) == done.records, "database and file differ"
        push(done.zone)
        assert served(name_server, name) == rows(done.zone), "database and name server differ"
    finally:
        delete_zone(done.zone)
        push(done.zone)
    return "accepted"


def _refused(foreign: Foreign, name: str, problems: Sequence[Problem]) -> None:
    assert problems
    assert all(problem.reason for problem in problems)
    if not name:
        assert "the root zone cannot be managed here" in problems[0].reason
    elif not any(DOCUMENTED.search(problem.reason) for problem in problems):
        assert not named_accepts(foreign.text, name), f"refused here, but not by named: {problems}"
