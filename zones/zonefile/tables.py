"""Records as tables, for spreadsheets and scripts: CSV (RFC 4180) and JSON, with the same fields.

A row is `name, type, ttl, content, comment`, as the API takes them, but that a TXT needs no quotes. A table need not name the
SOA and NS of the zone. What stands between the cells of a CSV is known by its first line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import msgspec

from zones import rdata, validation
from zones.rrsets import RR
from zones.zonefile.export import with_serial
from zones.zonefile.guard import MAX_BYTES
from zones.zonefile.problems import MAX_PROBLEMS, Problem, ZoneFileError, printable
from zones.zonefile.read import DEFAULT_TTL, LEFT_OUT, ZoneFile, read_piece, read_zone_file
from zones.zonefile.values import refused

Form = Literal["dns", "csv", "json"]

COLUMNS = ("name", "type", "ttl", "content", "comment")
MAX_ROWS = 200_000
_DELIMITERS, _BETWEEN = ",;\t", "between commas, semicolons or tabs"
"""What spreadsheets write between cells, by country."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection")."""


class Row(msgspec.Struct, frozen=True):
    """One record of a table, as it is written out."""

    name: str
    type: str
    ttl: int
    content: str
    comment: str


def read(text: bytes, zone: str, form: Form, *, piece: bool = False) -> ZoneFile:
    """What a file of any form holds for the zone `zone`. piece: a zone file need not hold all of the zone; a table never
    does. Raises `ZoneFileError` with lines (of JSON: rows) and reasons."""
    if form == "dns":
        return read_piece(text, zone) if piece else read_zone_file(text, zone)
    if len(text) > MAX_BYTES:
        raise ZoneFileError([Problem(None, f"larger than {MAX_BYTES // 2**20} MiB")])
    return _checked(_csv_rows(text) if form == "csv" else _json_rows(text), zone)


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Records as a CSV file."""
    return safe_csv(chain([COLUMNS], (msgspec.structs.astuple(row) for row in rows)))


def safe_csv(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a CSV file. Cells that a spreadsheet would carry out get an apostrophe in front, which reading takes off
    again."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for cells in rows:
        writer.writerow([_safe(cell) for cell in cells])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """A JSON array, one record on a line."""
    separator = "["
    for row in rows:
        yield f"{separator}\n{msgspec.json.encode(row).decode()}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def as_row(record: Mapping[str, Any], serial: int) -> Row:
    """A record for a table, an SOA with the serial that is served."""
    content = with_serial(record["content"], serial) if record["type"] == "SOA" else record["content"]
    return Row(record["name"], record["type"], record["ttl"], content, record["comment"])


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith((*_FORMULA, "'")) else cell


def _csv_rows(text: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ZoneFileError([Problem(text.count(b"\n", 0, error.start) + 1, "not a text in UTF-8")]) from error
    first_line = decoded.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if missing := {"name", "type", "content"} - set(header):
            raise ZoneFileError(
                [
                    Problem(
                        1, f"the first line has to name the columns, {_BETWEEN}; it lacks {', '.join(sorted(missing))}"
                    )
                ]
            )
        for cells in reader:
            if any(cells):
                values = {column: _plain(cell) for column, cell in zip(header, cells, strict=False)}
                ttl = values.get("ttl", "")
                yield reader.line_num, values | {"ttl": int(ttl) if ttl.isdecimal() and ttl.isascii() else ttl}
    except csv.Error as error:
        raise ZoneFileError([Problem(reader.line_num, f"not CSV: {error}")]) from error


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*_FORMULA, "'")) else cell


def _json_rows(text: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZoneFileError([Problem(getattr(error, "lineno", None), "not JSON")]) from error
    if isinstance(rows, dict):
        rows = rows.get("records", rows.get("results"))
    if not isinstance(rows, list):
        raise ZoneFileError([Problem(None, 'expected a list of records: [{"name", "type", "ttl", "content"}, …]')])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ZoneFileError([Problem(number, "not an object with name, type, ttl, content")])
        yield number, row


def _content(kind: str, typed: str) -> str:
    """A value as people type it into a cell: a text without quotes is one text, where a zone file would have several."""
    if kind != "TXT" or '"' in typed or typed.startswith("\\#"):
        return typed
    try:
        return rdata.one_text(typed)
    except ValueError:
        return typed  # and is refused


def _checked(rows: Iterable[tuple[int, Mapping[str, Any]]], zone: str) -> ZoneFile:
    read_at: dict[RR, int] = {}
    comments: dict[tuple[str, str, str], str] = {}
    without_ttl: set[RR] = set()
    problems: list[Problem] = []
    left_out = serial = 0
    for count, (line, row) in enumerate(rows):
        if count >= MAX_ROWS:
            raise ZoneFileError([Problem(line, f"more than {MAX_ROWS:,} records")])
        kind = str(row.get("type", "")).strip().upper()
        if kind in LEFT_OUT:
            left_out += 1
            continue
        ttl = row.get("ttl")
        given = {
            "name": str(row.get("name", "")).strip(),
            "type": kind,
            "ttl": DEFAULT_TTL if ttl in (None, "") else ttl,
            "content": _content(kind, str(row.get("content", "")).strip()),
            "comment": str(row.get("comment") or ""),
        }
        fields, found = validation.clean(zone, given)
        problems += [Problem(line, printable(f"{each.field}: {each.message}")) for each in found]
        if len(problems) >= MAX_PROBLEMS:
            break
        if not found:
            record = RR(str(fields["name"]), str(fields["type"]), int(str(fields["ttl"])), str(fields["content"]))
            read_at.setdefault(record, line)
            if ttl in (None, ""):
                without_ttl.add(record)
            comments[record.name, record.type, record.content] = str(fields["comment"])
            if kind == "SOA" and len(words := str(given["content"]).split()) == 7 and words[2].isdecimal():
                serial = int(words[2])
    places = list(read_at.items())
    for place, reason in refused(zone, [(record.type, record.content) for record, _ in places]).items():
        problems.append(Problem(places[place][1], f"content: {reason}"))
    if problems:
        raise ZoneFileError(sorted(problems, key=lambda problem: problem.line or 0)[:MAX_PROBLEMS])
    warnings = (
        [Problem(None, f"left out, because the name server makes them: {left_out} DNSSEC records")] if left_out else []
    )
    return ZoneFile(
        records=tuple(read_at), serial=serial, warnings=tuple(warnings), comments=comments, without_ttl=without_ttl
    )
