"""Take the pictures of the console in docs/images, from one that is running.

.venv/bin/python scripts/screenshots.py http://127.0.0.1:8080 admin PASSWORD_FILE
"""

from __future__ import annotations

import argparse
import base64
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
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
# Returns [width, height, RGBA in base64].
DECODE = """async (picture) => {
  const image = new Image();
  image.src = "data:image/png;base64," + picture;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return [image.width, image.height, btoa(text)];
}"""
IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 250_000  # pictures stay in the repository for ever
WIDE, HIGH, HIGHEST = 1440, 600, 1400


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
    found += [("inbox", "/inbox")]
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
    page.set_viewport_size({"width": width, "height": int(clip["height"])})  # what is fixed moves
    picture = page.screenshot(clip=clip)
    page.set_viewport_size({"width": width, "height": HIGH})
    blank = page.context.browser.new_page() if page.context.browser else page
    target.write_bytes(indexed(pixels(blank, picture)))
    blank.close()
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target} has {size} bytes; at most {MOST_BYTES}")
    sys.stdout.write(f"{target} {size} bytes\n")


def pixels(page: Page, picture: bytes) -> NDArray[np.uint8]:
    """Decode a PNG with the browser. Returns: shape (height, width, 3)."""
    width, height, text = page.evaluate(DECODE, base64.b64encode(picture).decode())
    rgba = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    return rgba[:, :, :3]


def indexed(image: NDArray[np.uint8]) -> bytes:
    """Encode a picture as a PNG of 256 colours: a third of what the browser writes."""
    height, width, _ = image.shape
    coarse = (image & 0xF8).astype(np.int32)
    _, where, counts = np.unique(
        (coarse[..., 0] << 16) | (coarse[..., 1] << 8) | coarse[..., 2],
        return_inverse=True,
        return_counts=True,
    )
    where = where.reshape(-1)
    flat = image.reshape(-1, 3).astype(np.float64)
    means = np.stack([np.bincount(where, flat[:, each]) for each in range(3)], 1) / counts[:, None]
    palette = np.rint(means[np.argsort(counts)[::-1][:256]]).astype(np.uint8)
    nearest = [int(np.argmin(((palette - mean) ** 2).sum(1))) for mean in means]
    rows = np.array(nearest, np.uint8)[where].reshape(height, width)
    lines = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines, 9))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in (*parts, (b"IEND", b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    main()
