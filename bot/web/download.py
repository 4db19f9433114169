"""Full tables by a link of one's own. Nothing changes on GET but the ledger, which says who had it."""

from pathlib import PurePath
from urllib.parse import quote

import aiohttp_jinja2
from aiohttp import web

from bot.web.door import NoSuchTableError
from bot.web.session import COOKIE, DOOR
from bot.wording import say

OFFICE = "application/vnd.openxmlformats-officedocument"
KINDS = {".xlsx": f"{OFFICE}.spreadsheetml.sheet", ".docx": f"{OFFICE}.wordprocessingml.document"}


async def table(request: web.Request) -> web.Response:
    """The spreadsheet, or a page that says why there is none."""
    ticket, session = request.match_info["ticket"], request.cookies.get(COOKIE, "")
    try:
        found = await request.app[DOOR].table(ticket, session)
    except NoSuchTableError as error:
        facts = {"say": say, "key": "gone-expired" if error.expired else "gone-forged"}
        return aiohttp_jinja2.render_template("gone.html", request, facts, status=410 if error.expired else 404)
    ending = PurePath(found.name).suffix
    name = f"attachment; filename=\"duban{ending}\"; filename*=UTF-8''{quote(found.name)}"
    return web.Response(body=found.content, content_type=KINDS[ending], headers={"Content-Disposition": name})
