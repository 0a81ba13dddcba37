"""The one exception family. Its classes say whether trying again can help; nothing else decides retries."""


class CanaryError(Exception):
    """Something went wrong that is told to a person: the message names what, which object, and what to do."""


class ConfigError(CanaryError):
    """What a person wrote or set is wrong; trying again without a change cannot help."""


class Unavailable(CanaryError):
    """The other side did not answer, or answered that it cannot now; trying again may help.

    `retry_after` is the number of seconds that the other side asked for, or None.
    `outcome_unknown` is true for a write that may or may not have happened.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown


class Conflict(CanaryError):
    """The object changed since it was read (HTTP 409); start again from a fresh read."""


class NotFound(CanaryError):
    """The object is not there (HTTP 404)."""


class AlreadyExists(Conflict):
    """An object of that name is there already."""


class Rejected(CanaryError):
    """The API server understood the write and refuses it (HTTP 400, 403, 422), or pruned a field of it."""
