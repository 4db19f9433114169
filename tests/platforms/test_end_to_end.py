"""The whole way on every platform: bound by a code, reminded by the wave, answered, written down, the card changed.

A real server, a real database, real HTTP and WebSockets on loopback; only the platform is a double.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.base import Incoming
from adapters.memory import MemoryAdapter
from bot.app import Bot, MovableClock
from bot.doorway import CONNECTION
from bot.serving import Service, running
from bot.settings import Settings
from bot.store import people
from duties.store import roster_rows
from duties.store.database import Rows, fetch, migrate, opened
from tests.bot.delivering import eventually
from tests.bot.play import FIRST_MORNING, LAW, SAMPLE, ZONE, at
from tests.platforms.far_end import FarEnd, Fault, Shown
from tests.platforms.table import FAR_ENDS

OFFICER, ADMIN = "cjs-urban-officer", "cjz-justice-admin"
WAVE = "2026-01-04 10:00"
"""The office hour on which the officer is told of January's deadlines."""
REPORT = "行政执法"
PAGE = "https://duban.example.cn/chat"
EVIDENCE = "昌市城管〔2026〕3号 2026-01-04 https://www.cjs.gov.cn/p/1.html"
PASSING = ("busy", "faulty", "lost", "expired")
LATER = 5
EVERY = sorted(FAR_ENDS)


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the sample roster planned, and nobody reachable yet."""
    file = tmp_path_factory.mktemp("platforms") / "morning.db"
    asyncio.run(prepare(file))
    return file


async def prepare(file: Path) -> None:
    async with opened(f"sqlite://{file}") as location:
        await migrate(location)
        await roster_rows.apply(SAMPLE, "test", at(FIRST_MORNING), 600)
        bot = Bot(LAW, {"webchat": MemoryAdapter("webchat")}, lambda: at(FIRST_MORNING), zone=ZONE)
        await bot.step()
        await bot.delivery.close()


@dataclass
class Town:
    """A running server and the far end in front of which the officer sits."""

    settings: Settings
    far: FarEnd
    clock: MovableClock
    number: int = 0
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Open the server's doors, and let the platform know where they are."""
        self.service: Service = await self._open.enter_async_context(running(LAW, self.settings, self.clock))
        self.far.hook = f"{self.service.address}hooks/{self.far.connection}"
        await self.far.ready()

    async def stop(self) -> None:
        """Close them."""
        await self._open.aclose()

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until the far end shows what is looked for; what it shows."""
        await eventually(seen)
        return seen()

    async def said(self, *words: str, after: int = 0) -> Shown:
        """The first message after the first few that holds all the words."""

        def found() -> Shown | None:
            return next((one for one in self.far.shown()[after:] if all(word in one.text for word in words)), None)

        shown: Shown = await self.until(found)
        return shown

    async def reminder(self) -> Shown:
        """The reminder: of a long one that comes as text and card, the card."""
        pressed = self.service.bot.adapters[self.far.connection].can_button

        def found() -> Shown | None:
            said = (one for one in self.far.shown() if REPORT in one.text)
            return next((one for one in said if bool(one.buttons) is pressed), None)

        shown: Shown = await self.until(found)
        return shown

    async def now_looks(self, number: str, *words: str) -> Shown:
        """Wait until a message that was sent before holds all the words."""

        def found() -> Shown | None:
            same = [one for one in self.far.shown() if one.number == number]
            return next((one for one in same if all(word in one.text for word in words)), None)

        shown: Shown = await self.until(found)
        return shown

    async def wave(self) -> None:
        """The clock goes to the office hour, and what is due then happens."""
        self.clock.set(at(WAVE))
        await self.service.bot.step()
        (row,) = await fetch(
            "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id JOIN unit u ON u.id = o.unit_id"
            " WHERE u.code = 'cjs-urban' AND t.duty = 'enforcement-annual-report' AND t.label = '2025'"
        )
        self.number = int(row["id"])

    async def answer(self, text: str) -> None:
        """The officer writes: on the platform, or on the chat page where the platform takes no answers."""
        if self.far.answers:
            await self.far.write(text)
            return
        await people.bind(await person(OFFICER), CONNECTION, OFFICER, self.clock())
        await self.service.bot.inbox.receive(Incoming(CONNECTION, "page", text, OFFICER, text))

    async def kept(self, action: str) -> Rows:
        """The ledger's entries of a kind, by the officer."""
        return await fetch(
            "SELECT e.id, e.channel FROM entry e JOIN person n ON e.actor = 'person:' || n.id"
            " WHERE n.code = :code AND e.action = :action",
            code=OFFICER, action=action,
        )  # fmt: skip


async def person(code: str) -> int:
    (row,) = await people.person_coded(code)
    return int(row["id"])


@asynccontextmanager
async def town(name: str, morning: Path, folder: Path) -> AsyncIterator[Town]:
    """The server with one connection, whose platform is a double."""
    shutil.copy(morning, folder / "town.db")
    clock = MovableClock(at(FIRST_MORNING))
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(FAR_ENDS[name](clock))
        settings = Settings(
            database=f"sqlite://{folder}/town.db", port=0, page_url=PAGE, connection=(dict(far.row),)
        )  # fmt: skip
        await stack.enter_async_context(opened(settings.database))
        here = Town(settings, far, clock)
        stack.push_async_callback(here.stop)
        await here.start()
        yield here


async def bound(town: Town) -> None:
    """The officer gets an address on the platform: by a code where one can write there, else by the roster."""
    number = await person(OFFICER)
    if not town.far.answers:
        await people.bind(number, town.far.connection, town.far.user, town.clock())
        return
    await town.far.write(f"绑定 {await people.invite(number, town.clock())}")
    await town.said("绑定成功")


@pytest.fixture
async def here(request: pytest.FixtureRequest, morning: Path, tmp_path: Path) -> AsyncIterator[Town]:
    async with town(request.param, morning, tmp_path) as found:
        await bound(found)
        yield found


def on(*names: str) -> Callable[[Any], Any]:
    return pytest.mark.parametrize("here", names, indirect=True)


@on(*EVERY)
async def test_from_the_wave_over_the_answer_to_the_changed_card(here: Town) -> None:
    await here.wave()
    card = await here.reminder()
    await acknowledged(here, card)
    channel = here.far.connection if here.far.answers else CONNECTION
    assert {entry["channel"] for entry in await here.kept("acknowledge")} == {channel}
    if here.far.changes:
        changed = await here.now_looks(card.number, "已签收")
        assert not any("签收" in label for label in changed.buttons)
    await here.answer(f"完成 #{here.number} {EVIDENCE}")
    (entry,) = await eventually_kept(here, "report")
    assert entry["channel"] == channel
    if here.far.changes and here.far.changes_unasked:
        await here.now_looks(card.number, "已报结")


@on(*EVERY)
async def test_what_the_platform_delivers_twice_is_done_once_also_after_a_restart(here: Town) -> None:
    if not here.far.answers:
        pytest.skip("nobody can answer there")
    await here.wave()
    await acknowledged(here, await here.reminder())
    kept, told = await here.kept("acknowledge"), len(here.far.shown())
    await here.far.again()
    await here.stop()
    await here.start()
    await here.far.again()
    await here.far.write("帮助")
    await here.said("待办", "逾期", after=told)
    assert await here.kept("acknowledge") == kept
    assert len(here.far.shown()) == told + 1


@on(*EVERY)
@pytest.mark.parametrize("fault", PASSING)
async def test_a_reminder_that_meets_a_fault_arrives_all_the_same(here: Town, fault: Fault) -> None:
    if fault not in here.far.faults:
        pytest.skip(f"the platform does not show {fault}")
    here.far.fault(fault)
    await here.wave()
    for _ in range(LATER):
        if any(REPORT in one.text for one in here.far.shown()):
            break
        here.clock.set(here.clock() + timedelta(hours=1))
        await here.service.bot.step()
    await here.said(REPORT)
    if here.far.once:
        said = [one.text for one in here.far.shown() if REPORT in one.text]
        assert len(said) == len(set(said))


@on(*EVERY)
async def test_one_whom_the_platform_does_not_know_is_reported_to_the_admin_elsewhere(here: Town) -> None:
    if "stranger" not in here.far.faults:
        pytest.skip("the platform takes whatever address it is given")
    await people.bind(await person(ADMIN), CONNECTION, ADMIN, here.clock())
    here.far.fault("stranger")
    await here.wave()

    async def told() -> bool:
        return bool(await fetch("SELECT 1 FROM notice WHERE address = :admin AND kind = 'news'", admin=ADMIN))

    async with asyncio.timeout(30):
        while not await told():  # noqa: ASYNC110  the server writes it by itself
            await asyncio.sleep(0.05)


async def acknowledged(here: Town, card: Shown) -> None:
    """By the button where there is one, in words where one can write, else on the chat page that the text names."""
    before = len(here.far.shown())
    label = next((label for label in card.buttons if "签收" in label), "")
    if label:
        await here.far.press(card, label)
    else:
        await here.answer(f"签收 #{here.number}")
    if here.far.answers:
        await here.said("签收", after=before)
    else:
        assert PAGE in card.text
    await eventually_kept(here, "acknowledge")


@on(*EVERY)
async def test_a_call_that_is_not_the_platforms_changes_nothing_and_is_counted(here: Town) -> None:
    forged = here.far.unsigned()
    if forged is None:
        pytest.skip("nobody calls")
    assert (await here.far.call(forged))[0] == 401
    async with (
        aiohttp.ClientSession(here.service.address) as session,
        session.post("/hooks/nobody", data=forged.body) as unknown,
        session.get("/metrics") as metrics,
    ):
        assert unknown.status == 404
        text = await metrics.text()
    assert f'duban_hook_requests_total{{connection="{here.far.connection}",status="401"}} 1.0' in text
    assert 'duban_hook_requests_total{connection="",status="404"} 1.0' in text
    assert await fetch("SELECT 1 FROM inbox WHERE content LIKE '%待办%'") == []


async def eventually_kept(here: Town, action: str) -> Rows:
    async with asyncio.timeout(30):
        while not (rows := await here.kept(action)):  # noqa: ASYNC110  the server writes it by itself
            await asyncio.sleep(0.05)
    return rows
