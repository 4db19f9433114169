"""A real browser for page tests: the machine's own Chromium, as an office in Xinjiang would have it set."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, async_playwright

MISSING = "NO CHROMIUM, THE PAGE TESTS DID NOT RUN: install chromium, or set CHROMIUM to its path"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    if named := os.environ.get("CHROMIUM"):
        return named
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[BrowserContext]:
    """Start a browser and yield a context with no cookies; open pages in it with `new_page()`.

    A fixture asks `find_chromium()` first and skips with MISSING.
    """
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        yield await browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
        await browser.close()
