"""What a click does: an action off the event loop, its outcome told, the page read again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from anyio.to_thread import run_sync
from nicegui import ui
from nicegui.events import GenericEventArguments

from cloud.web.console import actions
from cloud.web.console.screen import Screen
from contract.errors import GridwardenError

# Clicks on the buttons inside a piece of HTML, as (what to do, to which, what stands beside it).
CLICKS = """(event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const row = button.closest("tr");
  const field = row ? row.querySelector("select, input") : null;
  emit(button.dataset.act, button.dataset.id, field ? field.value : "");
}"""

Click = Callable[[str, str], Awaitable[object]]


async def attempt(
    screen: Screen,
    act: Callable[[], object],
    done: str,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Do something that may be refused; say what became of it, and read the page again.

    then: what follows if it was done, as long as the form that was filled in is there.
    """
    try:
        await run_sync(act)
    except GridwardenError as error:
        screen.tell(actions.explain(error, screen.w))
    else:
        screen.tell(done, good=True)
        then()
    await screen.refresh()


def on_buttons(table: ui.html, handlers: Mapping[str, Click]) -> None:
    """Let the buttons in a piece of HTML act: each handler gets the id, and what stands beside."""

    async def clicked(event: GenericEventArguments) -> None:
        what, which, beside = (str(each) for each in event.args)
        if what in handlers:
            await handlers[what](which, beside)

    table.on("click", clicked, js_handler=CLICKS)
