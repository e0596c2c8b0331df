"""The one exception tree. Each class says what the loop that meets it does next.

GridwardenError
├ ConfigError (ProfileError, RuleError)      exit before any I/O, naming file, line and key
├ DecodeError                                quarantine this frame, go on
├ TransportError (Timeout, Disconnected)     retry with backoff
├ RejectedError                              the peer refused: dead letter, never retry
└ StorageError                               stop acknowledging, say so loudly

Foreign exceptions are translated in adapters only. Anything else is a bug and ends the process.
"""

from __future__ import annotations


class GridwardenError(Exception):
    """The base of all errors that this product raises on purpose."""


class ConfigError(GridwardenError):
    """What a person wrote cannot be used. Carries every problem found, not only the first."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ProfileError(ConfigError):
    """A device profile cannot be used."""


class RuleError(ConfigError):
    """A rule or preset cannot be used."""


class DecodeError(GridwardenError):
    """These bytes are not what they should be; quarantine them and go on."""


class TransportError(GridwardenError):
    """The line or the peer failed; retry with backoff."""


class Timeout(TransportError):
    """No answer in time."""


class Disconnected(TransportError):
    """The connection is gone."""


class RejectedError(GridwardenError):
    """The peer refused for good; never retry."""


class StorageError(GridwardenError):
    """The disk or the database failed; stop acknowledging."""
