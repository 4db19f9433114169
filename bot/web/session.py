"""Who is speaking: a played person in the demonstration, the signed-in one otherwise."""

from aiohttp import web

from bot.web.body import Code, read
from bot.web.door import SESSION_SECONDS, ChatDoor, Player, TooManyAttemptsError
from bot.web.guard import RefusalError

DOOR = web.AppKey("door", ChatDoor)
COOKIE = "duban_session"


async def speaker(request: web.Request) -> str:
    """The address this request speaks for, or a refusal."""
    door, asked = request.app[DOOR], request.query.get("as", "")
    if door.demo is None:
        return await _signed_in(request, asked)
    if asked not in {player.address for player in await door.demo.people()}:
        raise web.HTTPNotFound
    return asked


async def signed_in_person(request: web.Request) -> Player | None:
    """Who this browser is signed in as."""
    door = request.app[DOOR]
    address = await door.signed_in(request.cookies.get(COOKIE, ""))
    return await door.person(address) if address else None


async def bind(request: web.Request) -> web.Response:
    """Trade a one-time code for a session."""
    code = (await read(request, Code)).code
    try:
        token = await request.app[DOOR].bind(code, request.remote or "")
    except TooManyAttemptsError as error:
        raise RefusalError(429, "web-error-attempts") from error
    if token is None:
        raise RefusalError(401, "web-error-code")
    response = web.json_response({"bound": True})
    response.set_cookie(
        COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="Strict", secure=_is_encrypted(request)
    )
    return response


async def leave(request: web.Request) -> web.Response:
    """End the session here and in the store."""
    if token := request.cookies.get(COOKIE):
        await request.app[DOOR].leave(token)
    response = web.json_response({"bound": False})
    response.del_cookie(COOKIE, httponly=True, samesite="Strict", secure=_is_encrypted(request))
    return response


async def _signed_in(request: web.Request, asked: str) -> str:
    if asked:
        raise web.HTTPNotFound
    address = await request.app[DOOR].signed_in(request.cookies.get(COOKIE, ""))
    if not address:
        raise web.HTTPUnauthorized
    return address


def _is_encrypted(request: web.Request) -> bool:
    # Believing the proxy is safe here: who forges the header only withholds the cookie from themselves.
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
