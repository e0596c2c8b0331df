"""Being cancelled on Python 3.11, where it may go unnoticed.

asyncio.wait_for() swallows a cancellation that comes together with the result it waits for, and
pymodbus and aiomqtt wait so. A task that loops around them must ask whether it is still wanted.
"""

from __future__ import annotations

import asyncio


def check_cancelled() -> None:
    """Raise CancelledError if this task has been cancelled. Not for tasks that own a TaskGroup.

    (A TaskGroup of 3.11 leaves the count of its owner's cancellations at 1 when a child failed.)
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
