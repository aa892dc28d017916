"""One archive with everything that the site knows, and the way back.

A gzipped tar: `manifest.json` (release, epoch and position, applied migrations, and of each member its size and SHA-256),
`tables/<table>.jsonl` with a row a line, `files/secret_key`. Tables are written in one transaction, so the archive shows
one moment; they fit SQLite and PostgreSQL alike. Who is connected, caches and figures are left out. Zone data at the name
server are not in it: they are pushed from the database (`zone_sync`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import QuerySet

from dnsadmin.events import ArchiveEvent
from realtime import log
from realtime.broadcasting import emit
from realtime.events import EventType
from zones import bulk

FORMAT = 1
LEFT_OUT = frozenset({"realtime_presence", "realtime_metricsample", "realtime_tracereport"})
"""Tables of what is true only now."""
FILES = ("secret_key",)
"""Files of the data directory that cannot be made again: sessions and tokens are signed with this key."""

Progress = Callable[[str, int], None]


class Damaged(Exception):
    """The archive cannot be restored here; the message says why. Nothing was changed."""


class Member(msgspec.Struct, frozen=True):
    """A file of the archive."""

    size: int
    sha256: str
    rows: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself. `migrations`: `app.name` of each that its tables have gone through."""

    format: int
    release: str
    made_at: str
    epoch: str
    position: int
    migrations: list[str]
    members: dict[str, Member]

    @property
    def rows(self) -> int:
        return sum(member.rows for member in self.members.values())


# -- writing --------------------------------------------------------------------------------------------------------------


def write(path: Path, progress: Progress = lambda table, rows: None) -> Manifest:
    """Write everything into a new file at `path`, readable by its owner only. Raises `OSError`."""
    draft = path.with_name(path.name + ".part")
    draft.touch(mode=0o600, exist_ok=False)
    try:
        with tarfile.open(draft, "w:gz", compresslevel=6) as archive:
            manifest = _write(archive, progress)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    with transaction.atomic():
        emit(EventType.CONFIG_BACKUP, _event(path, manifest))
    return manifest


def _write(archive: tarfile.TarFile, progress: Progress) -> Manifest:
    members: dict[str, Member] = {}

    def add(name: str, content: bytes, rows: int = 0) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        archive.addfile(info, io.BytesIO(content))
        members[name] = Member(len(content), hashlib.sha256(content).hexdigest(), rows)

    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        here = log.position()
        for model in tables():
            rows: QuerySet[Any, Any] = QuerySet(model).order_by("pk").values_list(*_columns(model))
            lines = [_line(row) for row in rows]
            add(f"tables/{model._meta.db_table}.jsonl", b"".join(lines), len(lines))
            progress(model._meta.db_table, len(lines))
        applied = sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
    for name in FILES:
        if (settings.DATA_DIR / name).is_file():
            add(f"files/{name}", (settings.DATA_DIR / name).read_bytes())
    manifest = Manifest(
        format=FORMAT,
        release=release(),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        epoch=here.epoch,
        position=here.position,
        migrations=applied,
        members=dict(members),
    )
    add("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def tables() -> list[type[models.Model]]:
    """The models whose rows are kept, those that others point to first."""
    every = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed and not m._meta.proxy]
    return [m for m in every if m._meta.db_table not in LEFT_OUT and not m._meta.swapped]


def _columns(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not field.generated]


def _line(row: tuple[Any, ...]) -> bytes:
    plain = [base64.b64encode(v).decode() if isinstance(v, (bytes, memoryview)) else v for v in row]
    return json.dumps(plain, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n"


def release() -> str:
    """The version of this site."""
    try:
        return version("dnsadmin")
    except PackageNotFoundError:
        return "0.1.0"


# -- checking ---------------------------------------------------------------------------------------------------------------


def check(path: Path) -> Manifest:
    """Read the whole archive and compare it with its manifest and with this site. Raises `Damaged`."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            manifest = msgspec.json.decode(_content(archive, "manifest.json"), type=Manifest)
            if manifest.format != FORMAT:
                raise Damaged(f"The archive has format {manifest.format}; this release reads {FORMAT}.")
            for name, member in manifest.members.items():
                content = _content(archive, name)
                if len(content) != member.size or hashlib.sha256(content).hexdigest() != member.sha256:
                    raise Damaged(f"{name} is not as it was written.")
                if name.startswith("tables/") and content.count(b"\n") != member.rows:
                    raise Damaged(f"{name} has lost rows.")
    except (OSError, EOFError, tarfile.TarError, msgspec.MsgspecError, KeyError) as problem:
        raise Damaged(f"{path.name} is no archive of this site, or a part of it is missing: {problem}") from None
    _compare(manifest)
    return manifest


def _compare(manifest: Manifest) -> None:
    here = {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}
    there = set(manifest.migrations)
    if missing := sorted(there - here):
        raise Damaged(f"The archive is of a newer database than this one ({missing[-1]}): upgrade or migrate first.")
    if missing := sorted(here - there):
        raise Damaged(
            f"The archive is of an older database than this one ({missing[-1]}). Restore it with release "
            f"{manifest.release} into an empty database, then migrate."
        )


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


# -- restoring --------------------------------------------------------------------------------------------------------------


def restore(path: Path, progress: Progress = lambda table, rows: None) -> Manifest:
    """Put everything back, in one transaction, and begin a new epoch of the log. Raises `Damaged` before anything is
    changed. A site that runs goes on with what was restored; its clients read everything again."""
    manifest = check(path)
    with tarfile.open(path, "r:gz") as archive, transaction.atomic():
        _keep_others_from_writing()
        for model in reversed(tables()):
            QuerySet(model)._raw_delete(connection.alias)  # noqa: SLF001  # `delete()` would look for what to cascade to
        for model in tables():
            name = f"tables/{model._meta.db_table}.jsonl"
            if name in manifest.members:
                _load(model, archive.extractfile(name))  # type: ignore[arg-type]
                progress(model._meta.db_table, manifest.members[name].rows)
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), tables()):
                cursor.execute(statement)
        log.renew_epoch()
        emit(EventType.CONFIG_RESTORE, _event(path, manifest))
    with tarfile.open(path, "r:gz") as archive:
        for name in FILES:
            if f"files/{name}" in manifest.members:
                target = settings.DATA_DIR / name
                target.write_bytes(_content(archive, f"files/{name}"))
                target.chmod(0o600)
    return manifest


def _keep_others_from_writing() -> None:
    """Until the transaction ends, as SQLite does by itself: what a running site writes between would be there twice."""
    if connection.vendor == "postgresql":
        names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in tables())
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")


def _load(model: type[models.Model], file: BinaryIO) -> None:
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    rows = (tuple(map(_stored, fields, json.loads(line))) for line in file)
    bulk.write(model, [str(field.column) for field in fields], rows)


def _stored(field: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(field, models.BinaryField) and value is not None:
        value = base64.b64decode(value)
    elif not isinstance(field, models.JSONField):
        value = field.to_python(value)
    return field.get_db_prep_save(value, connection)


def _event(path: Path, manifest: Manifest) -> ArchiveEvent:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ArchiveEvent(file=path.name, rows=manifest.rows, size=path.stat().st_size, sha256=digest)
