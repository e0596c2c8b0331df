"""Take the pictures of the console in docs/images, from one that is running.

.venv/bin/python scripts/screenshots.py http://127.0.0.1:8080 admin PASSWORD_FILE
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, FloatRect, Page, Playwright, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 250_000  # pictures stay in the repository for ever
WIDE, HIGH, HIGHEST = 1440, 600, 960


def main() -> None:
    """Take them all, in both languages."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("address", help="of a console that runs, e.g. http://127.0.0.1:8080")
    asked.add_argument("account")
    asked.add_argument("password_file", type=Path)
    asked.add_argument("--device", default="noise-01", help="whose page to show")
    asked.add_argument("--width", type=int, default=WIDE)
    asked.add_argument("--height", type=int, default=HIGHEST, help="what is below is cut off")
    asked.add_argument("--into", type=Path, default=IMAGES)
    given = asked.parse_args()
    password = given.password_file.read_text(encoding="utf-8").strip()
    given.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, chromium(playwright) as browser:
        for language in ("zh", "en"):
            page = browser.new_page(viewport={"width": given.width, "height": HIGH})
            sign_in(page, given.address, given.account, password, language)
            for name, path in pages(page, given.address, given.device):
                shoot(
                    page, given.address + path, given.into / f"{name}-{language}.png", given.height
                )
            page.close()


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Start the system's Chromium."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    try:
        yield browser
    finally:
        browser.close()


def sign_in(page: Page, address: str, account: str, password: str, language: str) -> None:
    """Sign in, in a language."""
    page.goto(f"{address}/login?lang={quote(language)}")
    page.fill("#name", account)
    page.fill("#password", password)
    page.click("button[type=submit]")
    page.wait_for_selector(".gw-top")


def pages(page: Page, address: str, device: str) -> list[tuple[str, str]]:
    """Return (name, path) of what to show: a case whose sensor is back to normal, if there is."""
    page.goto(f"{address}/cases")
    page.wait_for_selector(".table.cases a.id, .none")
    cases = page.query_selector_all(".table.cases a.id")
    normal = page.query_selector_all(".table.cases tr:has(em) a.id")
    found = [("overview", "/"), ("device", f"/devices/{device}"), ("alerts", "/alerts")]
    found += [("case", case.get_attribute("href") or "/cases") for case in (normal or cases)[:1]]
    return found


def shoot(page: Page, address: str, target: Path, most: int) -> None:
    """Write one picture."""
    page.goto(address)
    page.wait_for_selector(".gw-main")
    if "/devices/" in address:
        page.wait_for_selector(".plot canvas")
    page.wait_for_timeout(2_500)  # two ticks, so that what is alive is seen alive
    height = page.evaluate("document.documentElement.scrollHeight")
    width = page.viewport_size["width"] if page.viewport_size else WIDE
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(height, most)}
    page.screenshot(path=target, full_page=True, clip=clip)
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target} has {size} bytes; at most {MOST_BYTES}")
    sys.stdout.write(f"{target} {size} bytes\n")


if __name__ == "__main__":
    main()
