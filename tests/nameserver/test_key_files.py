"""Key files, as tools and people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zones.nameserver.endpoint import Key, read_key
from zones.nameserver.errors import NameServerError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "update.key"


def test_slashes_in_a_secret_are_no_comment(file: Path) -> None:
    secret = "ab//cd+//ijklmnopqrstuvwxyz0123456789ABCDEFA="
    file.write_text(f'key "update" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
    assert read_key(file) == Key(name="update", algorithm="hmac-sha256", secret=secret)


def test_comments_are_passed_over(file: Path) -> None:
    file.write_text(
        '// key "old" { algorithm hmac-md5; secret "AAAA"; };\n'
        '/* key "older" { algorithm hmac-md5; secret "AAAA"; }; */\n'
        'key update { # ours\n algorithm hmac-sha512; // strong\n secret "QUJD"; };\n'
    )
    assert read_key(file) == Key(name="update", algorithm="hmac-sha512", secret="QUJD")


@pytest.mark.parametrize("text", ["", 'key "update" { algorithm hmac-sha256; };', 'key "update" { secret "QUJD"; };'])
def test_what_is_no_key_is_refused_without_showing_it(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(NameServerError) as refusal:
        read_key(file)
    assert refusal.value.code == "bad_key_file"
    assert "QUJD" not in str(refusal.value)
