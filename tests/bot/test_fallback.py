"""One person, several addresses: when the first can no longer be reached, the message goes on to the next."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.base import ConfigurationError, Outgoing, RecipientError, RetryError
from bot.delivery import ATTEMPTS
from bot.store import people
from duties.store.database import fetch
from tests.bot.delivering import Office, Platform, an_office

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with an_office(database_url) as office:
        yield office


class Town:
    """Somebody who is reached by chat first and by mail else; the chat can be told how to fail."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.fault: Exception | None = None
        self.chat = Platform("chat", self._fail)
        self.mail = Platform("mail")
        self.mail.can_button = self.mail.can_answer = False  # type: ignore[misc]
        self.delivery = office.replica(self.chat, self.mail)

    async def _fail(self, _: Outgoing) -> None:
        if self.fault is not None:
            raise self.fault

    async def settle(self, *connections: str) -> int:
        """The unit, and its officer bound to these connections in this order."""
        unit = await self.office.unit("a")
        person = await self.office.person("officer", unit, bound=False)
        for connection in connections:
            await self.office.bind(person, f"officer@{connection}", connection)
        return unit

    async def drain(self, *, after: timedelta = timedelta()) -> None:
        self.office.now += after
        await self.delivery.drain(self.office.now)


@pytest.fixture
def town(office: Office) -> Town:
    return Town(office)


async def test_the_address_bound_first_is_told_and_no_other(office: Office, town: Town) -> None:
    await office.remind(await town.settle("chat", "mail"))
    await town.drain()
    assert (len(town.chat.sent), len(town.mail.sent)) == (1, 0)


async def test_a_refused_recipient_is_told_at_the_next_address_in_words_that_fit_it(office: Office, town: Town) -> None:
    town.fault = RecipientError("left the company")
    owed = await office.remind(await town.settle("chat", "mail"))
    await town.drain()
    await town.drain()
    (told,) = town.mail.sent
    assert told.address == "officer@mail"
    assert f"#{owed}" in told.text
    assert "点按钮" not in told.text
    assert not told.buttons
    ((connection, reason),) = office.alarms
    assert connection == "chat"
    assert reason.endswith("left the company -> mail")
    assert [row["state"] for row in await office.notices(connection="chat")] == ["dropped"]
    assert await fetch("SELECT 1 FROM notice_item WHERE notice_id IS NULL OR outcome <> 'said'") == []


async def test_what_is_tried_in_vain_to_the_end_goes_on_to_the_next_address(office: Office, town: Town) -> None:
    town.fault = RetryError("away")
    await office.remind(await town.settle("chat", "mail"))
    for _ in range(ATTEMPTS + 1):
        await town.drain(after=HOUR)
    assert (len(town.chat.tried), len(town.mail.sent)) == (ATTEMPTS, 1)


async def test_for_a_day_the_address_that_failed_comes_last(office: Office, town: Town) -> None:
    town.fault = RecipientError("gone")
    unit = await town.settle("chat", "mail")
    await office.remind(unit)
    await town.drain()
    town.fault = None
    await office.remind(unit)
    await town.drain(after=HOUR)
    assert len(town.chat.tried) == 1
    assert town.mail.sent
    await office.remind(unit)
    await town.drain(after=DAY)
    assert len(town.chat.sent) == 1


async def test_binding_again_makes_an_address_good_at_once(office: Office, town: Town) -> None:
    town.fault = RecipientError("gone")
    unit = await town.settle("chat", "mail")
    await office.remind(unit)
    await town.drain()
    await town.drain()
    town.fault = None
    (row,) = await fetch("SELECT person_id FROM identity WHERE connection = 'chat'")
    await people.bind(row["person_id"], "chat", "officer@chat", office.now)
    await office.remind(unit)
    await town.drain(after=HOUR)
    assert len(town.chat.sent) == 1


async def test_while_a_connection_rests_its_people_are_told_elsewhere(office: Office, town: Town) -> None:
    town.fault = ConfigurationError("the key was revoked")
    await office.remind(await town.settle("chat", "mail"))
    await town.drain()
    await town.drain()
    assert len(town.mail.told("officer@mail")) == 1
    assert office.alarms == [("chat", "the key was revoked")]


async def test_who_has_no_other_address_waits_for_the_connection(office: Office, town: Town) -> None:
    town.fault = ConfigurationError("the key was revoked")
    await office.remind(await town.settle("chat"))
    await town.drain()
    assert [row["state"] for row in await office.notices()] == ["pending"]


async def test_when_every_address_fails_the_message_is_a_dead_letter(office: Office, town: Town) -> None:
    async def refuse(_: Outgoing) -> None:
        raise RecipientError("gone")

    town.fault = RecipientError("gone")
    town.mail.answer = refuse
    await office.remind(await town.settle("chat", "mail"))
    await town.drain()
    await town.drain()
    assert sorted(row["state"] for row in await office.notices()) == ["dead", "dropped"]
    assert len(office.alarms) == 2


async def test_an_answer_stays_where_it_was_asked(office: Office, town: Town) -> None:
    town.fault = RecipientError("gone")
    await town.settle("chat", "mail")
    await office.news("officer@chat", connection="chat")
    await town.drain()
    assert not town.mail.sent
    assert [row["state"] for row in await office.notices()] == ["dead"]


async def test_a_connection_that_is_not_configured_is_no_way_on(office: Office, town: Town) -> None:
    town.fault = RecipientError("gone")
    await office.remind(await town.settle("chat", "pager"))
    await town.drain()
    assert [row["state"] for row in await office.notices()] == ["dead"]
