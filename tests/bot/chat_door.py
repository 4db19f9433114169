"""A chat without a store behind the page's door: it answers every message and reminds when time moves."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from adapters.base import Button, Incoming, Outgoing
from adapters.webchat import WebchatAdapter
from bot.web.door import (
    Bubble,
    ChatDoor,
    DemoDoor,
    Download,
    NoSuchTableError,
    Player,
    Step,
    TooManyAttemptsError,
)

URUMQI = ZoneInfo("Asia/Shanghai")
REMINDER = """【提醒】2026年度法治政府建设年度报告
依据：《法治政府建设与责任落实督察工作规定》第二十四条
截止：2027年1月31日（周日），还有3天
请于2027年1月29日（周五）前办结，并回复“完成 文号”。
详见 https://example.invalid/duty/annual-report"""
BUTTONS = (Button("签收", "ack:1", "primary"), Button("完成", "done:1"), Button("退回", "return:1", "danger"))
PLAYERS = (
    Player("zfb-head", "办公室负责人", "昌吉市人民政府办公室", "head"),
    Player("zfb-officer", "办公室经办人", "昌吉市人民政府办公室", "officer"),
    Player("sfj-head", "司法局负责人", "昌吉市司法局", "head"),
    Player("sfj-supervisor", "行政执法监督员", "昌吉市司法局", "supervisor"),
)


@dataclass
class FakeChat:
    """What the core would keep, in lists."""

    players: tuple[Player, ...] = PLAYERS
    now: datetime = datetime(2027, 1, 28, 10, 0, tzinfo=URUMQI)
    reminder: str = REMINDER
    fails: bool = False
    healthy: bool = True
    received: list[Incoming] = field(default_factory=list)
    said: defaultdict[str, list[Bubble]] = field(default_factory=lambda: defaultdict(list))
    sessions: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    counter: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.adapter = WebchatAdapter("webchat", lambda: self.now)

    def door(self, *, demo: bool) -> ChatDoor:
        return ChatDoor(
            adapter=self.adapter,
            now=lambda: self.now,
            receive=self.receive,
            history=self.history,
            person=self.person,
            signed_in=self.signed_in,
            bind=self.bind,
            leave=self.leave,
            health=self.health,
            metrics=lambda: b"duban_open_obligations 7\n",
            table=self.table,
            demo=DemoDoor(self.people, self.move, lambda day: day.isoweekday() < 6) if demo else None,
        )

    async def receive(self, message: Incoming) -> None:
        if self.fails:
            raise OSError("disk full")
        if message.message_id in {one.message_id for one in self.received}:
            return
        self.received.append(message)
        self._keep(message.sender, message.message_id, "me", message.text, reply_to=message.reply_to)
        await self.speak(message.sender, f"已记录（第 {len(self.received)} 号）：{message.text}")

    async def speak(self, address: str, text: str, buttons: tuple[Button, ...] = ()) -> str:
        key = f"notice-{next(self.counter)}"
        self._keep(address, key, "bot", text, buttons=buttons)
        return await self.adapter.send(Outgoing(key, address, text, buttons))

    async def history(self, address: str, before: int | None, limit: int) -> list[Bubble]:
        return [bubble for bubble in self.said[address] if before is None or bubble.order < before][-limit:]

    async def people(self) -> list[Player]:
        return [replace(player, unread=self.adapter.unread(player.address)) for player in self.players]

    async def person(self, address: str) -> Player | None:
        return next((player for player in self.players if player.address == address), None)

    async def move(self, step: Step) -> datetime:
        self.now += timedelta(hours=1) if step == "hour" else timedelta(days=1)
        if step == "next":
            for player in self.players[::2]:
                await self.speak(player.address, self.reminder, BUTTONS)
        return self.now

    async def signed_in(self, token: str) -> str | None:
        return self.sessions.get(token)

    async def bind(self, code: str, client: str) -> str | None:
        if len(self.failed) >= 3:
            raise TooManyAttemptsError
        if code != "K7QM-2XDA":
            self.failed.append(client)
            return None
        self.sessions["secret-token"] = "zfb-head"
        return "secret-token"

    async def leave(self, token: str) -> None:
        self.sessions.pop(token, None)

    async def table(self, ticket: str, session: str) -> Download:
        if ticket != "true-ticket" or session not in {"", "secret-token"}:
            raise NoSuchTableError(expired=ticket == "old-ticket")
        return Download("逾期.xlsx", b"PK")

    async def health(self) -> dict[str, Any]:
        return {"ok": self.healthy, "untouched": 0}

    def _keep(self, address: str, key: str, side: Any, text: str, **more: Any) -> None:
        bubble = Bubble(id=key, order=next(self.counter), side=side, text=text, at=self.now, **more)
        self.said[address].append(bubble)
