"""Adding a photo or a paper to a case: the browser sends it to the API, as itself."""

from __future__ import annotations

import json

from nicegui import ui

from cloud.core.file_types import ENDINGS
from cloud.web.console.screen import Screen

PATIENCE_S = 300.0
_SEND = """
const field = document.getElementById('gw-file');
if (!field.files.length) return 'nothing';
const file = field.files[0];
try {
  const path = '/api/v1/cases/' + %s + '/files?name=' + encodeURIComponent(file.name);
  const headers = {'Content-Type': file.type || 'application/octet-stream'};
  const answer = await fetch(path, {method: 'POST', body: file, headers});
  if (answer.ok) { field.value = ''; return ''; }
  return 'refused ' + (await answer.json()).detail;
} catch { return 'failed'; }
"""


def upload(screen: Screen, case: str) -> ui.element:
    """Lay out the form; it refreshes the page when a file was added."""
    w = screen.w

    async def send() -> None:
        button.disable()
        try:
            told = await ui.run_javascript(_SEND % json.dumps(case), timeout=PATIENCE_S)
        except TimeoutError:
            told = "failed"
        finally:
            button.enable()
        said = {"": "case.file_added", "nothing": "case.pick_file", "failed": "case.file_failed"}
        if told in said:
            screen.tell(w(said[told]), good=not told)
        else:
            screen.tell(str(told).removeprefix("refused "))
        await screen.refresh()

    endings = ",".join(f".{ending}" for each in ENDINGS.values() for ending in each)
    with ui.element("div").classes("upload") as form:
        field = ui.element("input").props(f'type=file id=gw-file accept="{endings}"')
        field.props(f'aria-label="{w("case.add_file")}"')
        button = ui.button(w("case.add_file"), on_click=send).props("no-caps outline")
    return form
