"""A workspace, and one of its members in the conversation with the app."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, ClassVar

from adapters.base import Request
from tests.adapters.doubles.slack import HOOK, POST, SECRET, TOKEN, Answer, Slack, click, event, payload, signed
from tests.platforms.far_end import Clock, FarEnd, FarEnds, Fault, Shown

MARK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
WORD = re.compile(r"(?<!\w)@(\w+)")
LINK = re.compile(r"https?://\S+")
EVERYBODY = ("channel", "here", "everyone")


class SlackEnd(FarEnd):
    """Events and clicks come over HTTP, signed. An event whose acknowledgement was lost is told again, and says so."""

    connection: ClassVar[str] = "slack"
    user: str = "U0ZHANG01"
    answers: ClassVar[bool] = True
    changes: ClassVar[bool] = True
    once: ClassVar[bool] = False
    faults: ClassVar[frozenset[Fault]] = frozenset({"busy", "faulty", "lost", "stranger", "denied"})

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._channel = slack.people[self.user]
        self._numbers = count(1)
        self._last: Callable[[datetime], Request] | None = None

    @property
    def row(self) -> Mapping[str, Any]:
        return {
            "name": self.connection, "platform": "slack", "base_url": f"{self._slack.url}/api",
            "hooks_url": self._slack.url, "allow_private": True, "bot_token": TOKEN, "signing_secret": SECRET,
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        return (TOKEN, SECRET)

    def shown(self) -> list[Shown]:
        here = (f"{self._channel}:", f"{HOOK}:")
        return [_shown(number, body) for number, body in self._slack.shown.items() if number.startswith(here)]

    def fault(self, fault: Fault) -> None:
        match fault:
            case "busy":
                self._slack.fail(POST, Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}))
            case "faulty":
                self._slack.fail(POST, Answer(503, f"Service Unavailable {TOKEN}"))
            case "lost":
                self._slack.fail(POST, Answer(reset=True, after=True))
            case "stranger":
                del self._slack.people[self.user]
            case "denied":
                self._slack.token = "xoxb-another"
            case _:
                raise NotImplementedError(fault)

    async def write(self, text: str) -> None:
        await self._say(partial(event, self._said(text)))

    async def press(self, shown: Shown, label: str) -> None:
        blocks = self._slack.shown[shown.number]["blocks"]
        (button,) = [one for block in blocks for one in block.get("elements", ()) if one["text"]["text"] == label]
        stamp, known = shown.number.removeprefix(f"{self._channel}:"), payload("click")
        pressed = known | {
            "container": known["container"] | {"message_ts": stamp, "channel_id": self._channel},
            "channel": {"id": self._channel, "name": "directmessage"},
            "message": known["message"] | {"ts": stamp, "text": shown.text, "blocks": blocks},
            "response_url": self._slack.hook,
            "actions": [button | {"block_id": "Xq1", "action_ts": self._stamp()}],
        }
        await self._say(partial(click, pressed))

    async def again(self) -> None:
        assert self._last is not None
        told = self._last(self._slack.now())
        retried = {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}
        assert await self.call(replace(told, headers={**told.headers, **retried})) == (200, b"")

    def unsigned(self) -> Request:
        return signed(json.dumps(self._said("待办")).encode(), self._slack.now(), secret="another")

    def genuine(self) -> Request:
        return event(self._said("待办"), self._slack.now())

    def overheard(self) -> Request:
        known = payload("direct")
        said = {"channel": "C0LI00001", "channel_type": "channel"}
        return event(known | {"event": known["event"] | said}, self._slack.now())

    def called(self) -> tuple[Request, ...]:
        return tuple(event(payload(name), self._slack.now()) for name in ("mention", "mention_in_thread"))

    def _said(self, text: str) -> dict[str, Any]:
        """An event with what was typed as the platform writes it."""
        known, number, stamp = payload("direct"), next(self._numbers), self._stamp()
        said = {"user": self.user, "channel": self._channel, "text": _typed(text), "ts": stamp, "event_ts": stamp}
        return known | {
            "event_id": f"Ev{number:09}", "event_time": int(float(stamp)), "event": known["event"] | said,
        }  # fmt: skip

    def _stamp(self) -> str:
        return f"{int(self._slack.now().timestamp())}.{next(self._numbers):06}"

    async def _say(self, told: Callable[[datetime], Request]) -> None:
        assert await self.call(told(self._slack.now())) == (200, b"")
        self._last = told


def _shown(number: str, body: Mapping[str, Any]) -> Shown:
    """The blocks as they are drawn, and whom they or the notification's text call."""
    sections = [block["text"] for block in body["blocks"] if block["type"] == "section"]
    labels = [one["text"]["text"] for block in body["blocks"] for one in block.get("elements", ())]
    named = {called for said in (body["text"], *(one["text"] for one in sections)) for called in _called(said)}
    if body.get("link_names") or body.get("parse") == "full" or not all(one.get("verbatim") for one in sections):
        named |= {_name(word) for one in sections for word in WORD.findall(one["text"])}
    return Shown(number, "".join(_drawn(one["text"]) for one in sections), tuple(labels), tuple(sorted(named)))


def _called(mrkdwn: str) -> Iterator[str]:
    for target, _ in MARK.findall(mrkdwn):
        if target[0] in "@!":
            yield _name(target[1:])


def _name(called: str) -> str:
    return "all" if called in EVERYBODY else called


def _drawn(mrkdwn: str) -> str:
    plain = MARK.sub(lambda mark: mark[2] or mark[1], mrkdwn)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _typed(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return LINK.sub(lambda link: f"<{link[0]}>", escaped)


@asynccontextmanager
async def workspace(clock: Clock) -> AsyncIterator[FarEnd]:
    """The slack connection's far end."""
    async with Slack(clock) as double:
        yield SlackEnd(double)


FAR_ENDS: dict[str, FarEnds] = {"slack": workspace}
