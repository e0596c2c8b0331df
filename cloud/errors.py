"""What a person or a program may not do, and what they may do instead. The web answers with these.

RejectedError
├ NotFoundError     there is no such alert or case             404
├ ConflictError     not in this state, or somebody was faster  409
├ ForbiddenError    the role may not do this                   403
├ InvalidError      something required is missing or wrong     422
│ └ InvalidFileError  and where in a file, each thing          422
└ NoRoomError       there is no room for more files            507

TransportError
└ RetryLater        another system said when to come again
"""

from __future__ import annotations

from collections.abc import Sequence

from contract.errors import RejectedError, TransportError


class NotFoundError(RejectedError):
    """There is no such thing."""


class ConflictError(RejectedError):
    """The thing is not in a state, or not in the version, that allows this."""


class ForbiddenError(RejectedError):
    """The one who asks may not do this."""


class InvalidError(RejectedError):
    """What was asked lacks something, or says something that is not allowed."""


class InvalidFileError(InvalidError):
    """A file was refused whole: each problem with its line, key, what was seen and is allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class NoRoomError(RejectedError):
    """Files have filled what they may fill."""


class RetryLater(TransportError):
    """Another system failed, and is better left alone for some time."""

    def __init__(self, words: str, after_s: float) -> None:
        super().__init__(words)
        self.after_s = after_s
