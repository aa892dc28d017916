"""The wire format: what is no command is always told so, and nothing else ever happens; frames are valid WebSocket frames."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from realtime.protocol import (
    LARGEST_COMMAND,
    Command,
    ErrorCode,
    Frame,
    InvalidMessage,
    frame,
    message,
    parse,
    response,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def understood(text: str | None) -> Command | InvalidMessage:
    try:
        command = parse(text)
    except InvalidMessage as problem:
        return problem
    response(command.id, {})  # whatever could be read can be answered
    return command


NOT_COMMANDS = {
    "nothing": "",
    "no JSON": "hello",
    "a list": "[]",
    "a number": "17",
    "null": "null",
    "an object without a type": "{}",
    "a type that is a number": '{"type": 1}',
    "a type that is null": '{"type": null}',
    "data that are a list": '{"type": "x", "data": []}',
    "data that are text": '{"type": "x", "data": "y"}',
    "an id that is an object": '{"type": "x", "id": {}}',
    "an id that is a fraction": '{"type": "x", "id": 1.5}',
    "an id that is true": '{"type": "x", "id": true}',
    "NaN": '{"type": "x", "data": {"n": NaN}}',
    "infinity": '{"type": "x", "data": {"n": Infinity}}',
    "a number beyond any range": '{"type": "x", "data": {"n": 1e999}}',
    "5,000 digits": '{"type": "x", "id": ' + "9" * 5000 + "}",
    "5,000 digits deep in the data": '{"type": "x", "data": {"a": {"n": -' + "9" * 5000 + "}}}",
    "nesting without end": '{"type": "x", "data": ' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    "lists in lists": '{"type": "x", "data": {"a": ' + "[" * 20_000 + "]" * 20_000 + "}}",
    "brackets that never close": "[" * 60_000,
    "a lone surrogate": "\ud800",
    "a lone surrogate, escaped": '{"type": "x", "id": "\\ud800"}',
    "a lone low surrogate, escaped": '{"type": "\\udfff"}',
    "a NUL": "\x00",
    "a NUL, escaped": '{"type": "subscribe", "data": {"event_types": [], "zones": ["a\\u0000"]}}',
    "text after the end": '{"type": "x"} {"type": "y"}',
    "a byte order mark": '\ufeff{"type": "x"}',
    "single quotes": "{'type': 'x'}",
}


@pytest.mark.parametrize("text", NOT_COMMANDS.values(), ids=NOT_COMMANDS.keys())
def test_what_is_no_command_is_an_invalid_message(text: str) -> None:
    problem = understood(text)
    assert isinstance(problem, InvalidMessage)
    assert problem.code == ErrorCode.INVALID_MESSAGE
    frame("error", message=str(problem))  # and can be told


def test_a_binary_frame_is_an_invalid_message() -> None:
    assert isinstance(understood(None), InvalidMessage)


def test_the_size_limit_is_in_bytes_and_told_apart() -> None:
    def command(padding: str) -> str:
        return json.dumps({"type": "x", "data": {"p": padding}}, ensure_ascii=False)

    room = LARGEST_COMMAND - len(command(""))
    assert isinstance(understood(command("x" * room)), Command)
    for padding in ("x" * (room + 1), "ü" * (room // 2 + 1), "x" * 10_000_000):
        problem = understood(command(padding))
        assert isinstance(problem, InvalidMessage)
        assert problem.code == ErrorCode.TOO_LARGE


def test_of_a_repeated_key_the_last_one_counts() -> None:
    assert understood('{"type": "a", "id": 1, "type": "b"}') == Command("b", 1)


def test_what_is_not_known_is_ignored() -> None:
    assert understood('{"type": "x", "future": {"a": 1}}') == Command("x")


@pytest.mark.parametrize("number", [0, -1, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 10**4299])
def test_a_whole_number_as_id_comes_back_as_it_was(number: int) -> None:
    command = understood(json.dumps({"type": "ping", "id": number}))
    if isinstance(command, Command):
        assert f'"id":{number}' in str(message(response(command.id, {}).wire)["text"])
    else:
        assert number > 2**64


@given(st.text(st.characters()))
def test_any_text_is_a_command_or_an_invalid_message(text: str) -> None:
    understood(text)


@given(json_values)
def test_any_json_is_a_command_or_an_invalid_message(value: Any) -> None:
    understood(json.dumps(value))


@given(st.dictionaries(st.sampled_from(["type", "id", "data", "x"]), json_values))
def test_any_object_is_a_command_or_an_invalid_message(value: Any) -> None:
    understood(json.dumps(value))
    understood(json.dumps(value, ensure_ascii=False))


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damaged_commands_are_commands_or_invalid_messages(junk: bytes, at: int) -> None:
    good = b'{"type": "subscribe", "id": 12, "data": {"event_types": ["zone_*"]}}'
    damaged = good[:at] + junk + good[at + len(junk) :]
    understood(damaged.decode("utf-8", "surrogateescape"))
    understood(damaged.decode("latin-1"))


# -- frames ---------------------------------------------------------------------------------------------------------------


def received(wire: bytes) -> list[tuple[Opcode, bytes]]:
    """What a WebSocket client takes from these bytes."""
    reader = StreamReader()
    reader.feed_data(wire)
    frames = []
    while reader.buffer:
        parsing = WireFrame.parse(reader.read_exact, mask=False, max_size=None)
        try:
            next(parsing)
        except StopIteration as done:
            frames.append((done.value.opcode, bytes(done.value.data)))
    return frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
def test_a_prebuilt_frame_is_a_frame_of_rfc_6455(size: int) -> None:
    payload = b"x" * size
    assert received(Frame(payload).wire) == [(Opcode.TEXT, payload)]


def test_a_long_frame_can_come_as_raw_deflate_made_once() -> None:
    long = frame("event", data="abc" * 2000)
    short = frame("event", data="abc")
    assert short.deflated() is short
    assert long.deflated() is long.deflated()
    ((opcode, payload),) = received(long.deflated().wire)
    assert opcode == Opcode.BINARY
    assert zlib.decompress(payload, wbits=-zlib.MAX_WBITS).decode() == message(long.wire)["text"]
