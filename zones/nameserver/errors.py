"""What can go wrong with the name server, in words that may be shown to the person whose change it concerns."""

from __future__ import annotations

from collections.abc import Sequence


class NameServerError(Exception):
    """Something that was asked of the name server did not happen.

    code: a short stable name of the cause. message: plain words. retry: whether the same request may succeed later
    without anybody changing anything (the server is down), or not (a wrong key).
    """

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry


class Unreachable(NameServerError):
    """No answer: nobody listens, or somebody who does not speak. Codes `unreachable` and `timed_out`; always worth
    another try."""

    def __init__(self, message: str, *, code: str = "unreachable") -> None:
        super().__init__(code, message, retry=True)


class KeyRefused(NameServerError):
    """The server does not accept our key (codes `key_unknown`, `key_wrong`, `clock_skew`)."""


class NotHosted(NameServerError):
    """The server has no zone of that name (code `not_hosted`), or could not load it (code `not_loaded`)."""


class Refused(NameServerError):
    """The server will not do it for this zone (codes `frozen`, `secondary`, `not_dynamic`, `refused`)."""


class BadName(NameServerError):
    """Not a name that may be put into a command or a configuration (code `bad_name`)."""


class Drifted(NameServerError):
    """What the server has is neither what the change starts from nor what it leads to (code `drift`).

    differences: one plain sentence per RRset.
    """

    def __init__(self, message: str, differences: Sequence[str]) -> None:
        super().__init__("drift", message)
        self.differences = tuple(differences)


class PartlyServed(NameServerError):
    """A change too large for one message stopped on the way: some RRsets are served, some are not.

    Pushing the same change again continues where it stopped. `retry` is that of the cause.
    """

    def __init__(self, served: int, total: int, cause: NameServerError) -> None:
        super().__init__(
            "partly_served", f"partly served: {served} of {total} RRsets; then {cause.message}", retry=cause.retry
        )
        self.served = served
        self.total = total
        self.cause = cause


NOT_FOUND = 23
"""`CommandFailed.result` where there is no such zone; the words differ."""


class CommandFailed(NameServerError):
    """`named` understood a control command and answered that it failed (code `command_failed`).

    result: BIND's result number (`isc_result_t`; 23 is "not found", 18 "already exists").
    """

    def __init__(self, command: str, result: int, reason: str) -> None:
        super().__init__("command_failed", f"the name server could not do “{command}”: {reason}")
        self.command = command
        self.result = result
        self.reason = reason
