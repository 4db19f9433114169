"""The built-in chat's door filled in: the page's questions answered from the store."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog

from adapters.base import Button
from adapters.webchat import WebchatAdapter
from bot import exports, papers, tickets
from bot.app import Bot, MovableClock
from bot.conversation.ask import OWN_PAGE
from bot.store import arrivals, asked, people, queue
from bot.store.asked import Asked
from bot.tickets import Ticket
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
from bot.wording import say
from bot.workbook import workbook
from duties import cases
from duties.ledger import SYSTEM, Act, StreamRef
from duties.model import Actor
from duties.store import chains, reading, statements
from duties.store.database import transaction

log = structlog.get_logger()
CONNECTION = OWN_PAGE
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_LEAP = 400
"""Days after which "to the next reminder" gives up."""


class Doorway:
    """Answers for one bot and its built-in chat."""

    def __init__(self, bot: Bot, adapter: WebchatAdapter) -> None:
        self.bot = bot
        self.adapter = adapter

    def door(self, clock: MovableClock | None = None) -> ChatDoor:
        """The door as the page takes it; with a movable clock it is the demonstration's."""
        return ChatDoor(
            adapter=self.adapter,
            now=self._now,
            receive=self.bot.inbox.receive,
            history=self.history,
            person=self.person,
            signed_in=self._signed_in,
            bind=self.bind,
            leave=self.leave,
            health=self.bot.health,
            metrics=self.bot.monitor.text,
            table=self.table,
            demo=self._demo(clock) if clock is not None else None,
        )

    def _demo(self, clock: MovableClock) -> DemoDoor:
        async def move(step: Step) -> datetime:
            return await self.move(clock, step)

        return DemoDoor(people=self.players, move=move, is_workday=self.bot.law.workdays.is_workday)

    def _now(self) -> datetime:
        return self.bot.clock().astimezone(self.bot.zone)

    async def history(self, address: str, before: int | None, limit: int) -> list[Bubble]:
        """Both sides of a conversation, oldest first."""
        until = _instant(before) if before is not None else datetime.max.replace(tzinfo=UTC)
        said = [_said(row) for row in await queue.sent(address, CONNECTION, until, limit)]
        written = [_written(row) for row in await arrivals.written(address, CONNECTION, until, limit)]
        return sorted([*said, *written], key=lambda bubble: bubble.order)[-limit:]

    async def person(self, address: str) -> Player | None:
        """Whose address it is."""
        number = await people.person_at(CONNECTION, address)
        actor = await reading.actor(number, self._now().date()) if number is not None else None
        if actor is None:
            return None
        post = actor.posts[0] if actor.posts else None
        return Player(address, actor.name, post.unit if post else "", str(post.role) if post else "")

    async def players(self) -> list[Player]:
        """Everyone with a post, for the demonstration."""
        rows = {row["code"]: row for row in reversed(await people.players())}  # by their first post, once each
        return [
            Player(code, row["name"], row["unit"], row["role"], self.adapter.unread(code))
            for code, row in reversed(rows.items())
        ]

    async def _signed_in(self, token: str) -> str | None:
        return await people.signed_in(token, self.bot.clock())

    async def bind(self, code: str, client: str) -> str | None:
        """Trade a one-time code for a session. The address is the person's own code."""
        now = self.bot.clock()
        if await people.guessed_too_often(CONNECTION, client, now):
            raise TooManyAttemptsError
        async with transaction():
            person = await people.redeem(code, now)
            if person is None:
                await people.guessed(CONNECTION, client, now)
                return None
            address = await people.code_of(person)
            await people.bind(person, CONNECTION, address, now)
            token = await people.sign_in(address, now)
            await chains.append(SYSTEM, Act(f"person:{person}", "bind", CONNECTION, {"connection": CONNECTION}), now)
        self.bot.wake()
        return token

    async def leave(self, token: str) -> None:
        """End a session."""
        await people.sign_out(token)

    async def table(self, text: str, session: str) -> Download:
        """The full table that a link names, for the person it was made for, as that person's posts allow today."""
        now = self._now()
        try:
            ticket = await tickets.read(text, now)
        except tickets.ForgedError:
            raise NoSuchTableError(expired=False) from None
        except tickets.ExpiredError:
            raise NoSuchTableError(expired=True) from None
        signed_in = await people.signed_in(session, now) if session else None
        if signed_in and await people.person_at(CONNECTION, signed_in) != ticket.person:
            raise NoSuchTableError(expired=False)
        question, actor = await asked.question(ticket.answer), await reading.actor(ticket.person, now.date())
        if question is None or actor is None or not actor.posts:
            raise NoSuchTableError(expired=True)
        await self._must_be_left(ticket, now)
        made = await self._made(question, actor, now)
        async with transaction():
            await self._record(ticket, actor, question.kind, made.name, now)
        return made

    async def _record(self, ticket: Ticket, actor: Actor, kind: str, name: str, now: datetime) -> None:
        """A line in the ledger says who had what, by whose link; the line waits for its chain, then it is counted."""
        payload = {
            "name": actor.name, "kind": kind, "file": name, "answer": ticket.answer, "until": ticket.until,
        }  # fmt: skip
        act = Act(f"person:{actor.person_id}", "download", CONNECTION, payload)
        await chains.append(StreamRef("unit", actor.posts[0].unit_id), act, now)
        await self._must_be_left(ticket, now, already=1)

    async def _must_be_left(self, ticket: Ticket, now: datetime, already: int = 0) -> None:
        """Refuse a link that was used as often as one may be."""
        around = self.bot.inbox.around
        had = await chains.acts_of(f"person:{ticket.person}", {"download"}, now - around.link_lasts)
        used = [row for row in had if _same_link(json.loads(row["payload"]), ticket)]
        if len(used) - already >= around.link_uses:
            log.warning("link used up", action="export", person=ticket.person, answer=ticket.answer)
            raise NoSuchTableError(expired=True)

    async def _made(self, question: Asked, actor: Actor, now: datetime) -> Download:
        if question.kind == "letter":
            return await self._letter(question.letter, actor, now)
        if question.kind == "report":
            return await self._report(question.letter, actor)
        if question.kind == "bulletin" and question.first and question.last:
            return await self._bulletin(question.first, question.last, actor)
        made = await exports.table(question, actor, self.bot.law.registry, self.bot.inbox.around, now)
        log.info("table made", action="export", person=actor.person_id, kind=question.kind, rows=len(made.rows))
        return Download(f"{made.name} {now:%Y-%m-%d}.xlsx", await asyncio.to_thread(workbook, made))

    async def _letter(self, number: int, actor: Actor, now: datetime) -> Download:
        """The file of a letter, for who still supervises its addressee."""
        law = self.bot.law
        made = await papers.written(number, law.registry, law.workdays, now.date())
        if made is None or not actor.supervises(made.unit_path):
            raise NoSuchTableError(expired=True)
        log.info("letter made", action="export", person=actor.person_id, letter=number)
        return Download(made.name, await asyncio.to_thread(made.draft))

    async def _report(self, number: int, actor: Actor) -> Download:
        """The half written report on an obligation, for who still answers for it."""
        law = self.bot.law
        made = await papers.report(actor, number, cases.Law(law.registry, law.workdays))
        if made is None:
            raise NoSuchTableError(expired=True)
        log.info("report made", action="export", person=actor.person_id, obligation=number)
        return Download(made.name, await asyncio.to_thread(made.draft))

    async def _bulletin(self, first: date, last: date, actor: Actor) -> Download:
        """The file of a bulletin of some days, for who supervises anybody today."""
        made = await papers.bulletin(actor, first, last, self.bot.law.registry)
        if made is None:
            raise NoSuchTableError(expired=True)
        log.info("bulletin made", action="export", person=actor.person_id, rows=len(made.letter.items))
        return Download(made.name, await asyncio.to_thread(made.draft))

    async def move(self, clock: MovableClock, step: Step) -> datetime:
        """Set the demonstration's clock forward: an hour, to tomorrow's office hour, or to the next reminder.

        It stops wherever an office opens on the way, so that what is to be said then is said then.
        """
        first = self._now()
        until = first + timedelta(hours=1) if step == "hour" else None
        for opening in _openings(first, await statements.office_minutes() or [600]):
            clock.set(min(opening, until or opening))
            raised = await self.bot.step()
            if _arrived(step, first, opening, raised):
                break
        return self._now()


def _same_link(payload: dict[str, Any], ticket: Ticket) -> bool:
    return (payload["answer"], payload["until"]) == (ticket.answer, ticket.until)


def _arrived(step: Step, first: datetime, opening: datetime, raised: int) -> bool:
    if step == "hour":
        return opening >= first + timedelta(hours=1)
    return opening.date() > first.date() if step == "day" else raised > 0


def _openings(after: datetime, minutes: list[int]) -> Iterator[datetime]:
    days = (after.date() + timedelta(days=days) for days in range(LONGEST_LEAP))
    times = ((day, time(minute // 60, minute % 60)) for day in days for minute in minutes)
    return (opening for day, at in times if (opening := datetime.combine(day, at, after.tzinfo)) > after)


def _order(at: datetime, side: int) -> int:
    """Microseconds since 1970, doubled, so that what is said in the same instant comes after what was written."""
    return (at - EPOCH) // MICROSECOND * 2 + side


def _instant(order: int) -> datetime:
    return EPOCH + min(order // 2, 4_102_444_800_000_000) * MICROSECOND


def _said(row: dict[str, Any]) -> Bubble:
    buttons = tuple(Button(*button) for button in row["body"].get("buttons", ()))
    return Bubble(str(row["id"]), _order(row["at"], 1), "bot", row["body"].get("text", ""), row["at"], buttons)


def _written(row: dict[str, Any]) -> Bubble:
    content = row["content"]
    text = content["text"] or _pressed(content["action"])
    return Bubble(row["message_id"], _order(row["at"], 0), "me", text, row["at"], (), content["reply_to"])


def _pressed(action: str) -> str:
    verb, _, numbers = action.partition(":")
    label = say(f"button-{verb}") if verb in PRESSABLE else verb
    return f"{label} #{numbers}" if numbers else label


PRESSABLE = frozenset({"acknowledge", "report", "detail", "close", "return", "export"})
