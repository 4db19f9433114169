"""What a page may send: read strictly, because anybody can write to a socket."""

from typing import Annotated, Self, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from bot.web.door import Step
from bot.web.guard import RefusalError

MAX_BODY = 64 * 1024
MAX_TEXT = 4_000
INVISIBLE = dict.fromkeys({*range(32), 127} - {ord("\n"), ord("\t")})


def clean(text: str) -> str:
    """Without control characters: no keyboard writes them, and PostgreSQL refuses a zero byte."""
    return text.translate(INVISIBLE)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Said(Body):
    """A message or a pressed button. `id` is made by the page, so that a repeat of the same message is known."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(clean)] = ""
    action: Annotated[str, StringConstraints(max_length=256), AfterValidator(clean)] = ""
    reply_to: Annotated[str, StringConstraints(max_length=128), AfterValidator(clean)] = ""

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if not self.text.strip() and not self.action:
            raise ValueError("neither text nor action")
        return self


class Move(Body):
    step: Step


class Code(Body):
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(clean)]


Kind = TypeVar("Kind", bound=Body)


async def read(request: web.Request, kind: type[Kind]) -> Kind:
    """The request's body as a value, or a refusal."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return kind.model_validate_json(await request.read())
    except web.RequestPayloadError as error:  # not packed as its headers claim
        raise web.HTTPBadRequest from error
    except ValidationError as error:
        if any(problem["loc"] == ("text",) and problem["type"] == "string_too_long" for problem in error.errors()):
            raise RefusalError(413, "web-error-long") from error
        raise web.HTTPBadRequest from error
