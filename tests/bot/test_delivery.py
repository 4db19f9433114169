import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from adapters.base import AdapterError, ConfigurationError, Outgoing, RecipientError, RetryError
from bot import delivery
from bot.store import queue, reach
from bot.store.queue import Outcome
from duties.store.database import dialect, execute, fetch
from tests.bot.delivering import Answer, Office, Platform, an_office, eventually

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    async with an_office(database_url) as office:
        yield office


async def lease_of(scope: str = "webchat") -> dict[str, object]:
    (row,) = await fetch("SELECT * FROM lease WHERE scope = :scope", scope=scope)
    return row


async def lose_lease(scope: str = "webchat") -> None:
    """As when a holder was silent for longer than its lease."""
    await execute("UPDATE lease SET until = 1 WHERE scope = :scope", scope=scope)


# What is collected


async def test_one_notice_collects_everything_due(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    for _ in range(3):
        await office.remind(unit)
    await office.drain()
    (said,) = office.platform.sent
    assert said.text.count("a局") == 3


async def test_a_person_with_two_posts_gets_one_notice(office: Office) -> None:
    one, two = await office.unit("a"), await office.unit("b")
    person = await office.person("officer", one)
    await office.post(person, two)
    await office.remind(one)
    await office.remind(two)
    await office.drain()
    (said,) = office.platform.sent
    assert "a局" in said.text
    assert "b局" in said.text


async def test_several_officers_are_each_told(office: Office) -> None:
    unit = await office.unit("a")
    for code in ("first", "second", "third"):
        await office.person(code, unit)
    await office.remind(unit)
    await office.drain()
    assert sorted(said.address for said in office.platform.sent) == ["first", "second", "third"]


async def test_the_supervisor_is_the_one_over_the_unit(office: Office) -> None:
    over = await office.unit("over")
    unit = await office.unit("a", supervisor=over)
    await office.person("over-supervisor", over, "supervisor")
    await office.person("own-supervisor", unit, "supervisor")
    await office.remind(unit, "supervisor")
    await office.drain()
    assert [said.address for said in office.platform.sent] == ["over-supervisor"]


async def test_what_was_closed_before_sending_drops_out(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    closed, kept = await office.remind(unit), await office.remind(unit)
    await office.close(closed)
    await office.drain()
    (said,) = office.platform.sent
    assert f"#{kept}" in said.text
    assert f"#{closed}" not in said.text


async def test_an_empty_notice_is_not_sent_and_is_recorded(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.close(await office.remind(unit))
    assert await office.drain() == 1
    assert office.platform.tried == []
    (notice,) = await office.notices()
    assert (notice["state"], notice["error"]) == ("dropped", "nothing left to say")
    assert [row["outcome"] for row in await fetch("SELECT outcome FROM notice_item")] == ["dropped"]


async def test_nothing_is_said_twice(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.remind(unit)
    for _ in range(3):
        await office.drain(after=MINUTE)
    assert len(office.platform.sent) == 1


async def test_who_is_bound_after_the_wave_gets_what_is_unsaid(office: Office) -> None:
    unit = await office.unit("a")
    person = await office.person("officer", unit, bound=False)
    await office.remind(unit)
    await office.drain()
    assert office.platform.sent == []
    assert await reach.silent_units(office.now.date()) == ["a局"]
    await office.bind(person, "officer")
    await office.drain(after=MINUTE)
    assert len(office.platform.told("officer")) == 1
    assert await reach.silent_units(office.now.date()) == []


async def test_who_left_the_post_before_sending_is_not_told(office: Office) -> None:
    unit = await office.unit("a")
    gone = await office.person("gone", unit)
    await office.remind(unit)
    await queue.address_reminders(office.now.date())
    await execute("UPDATE post SET until = :day WHERE person_id = :gone", day=date(2026, 1, 4), gone=gone)
    await office.drain()
    assert office.platform.tried == []
    assert [row["outcome"] for row in await fetch("SELECT outcome FROM notice_item")] == ["left"]


async def test_whoever_takes_over_a_post_is_told_instead(office: Office) -> None:
    unit = await office.unit("a")
    gone = await office.person("gone", unit)
    await office.remind(unit)
    await queue.address_reminders(office.now.date())
    await execute("DELETE FROM post WHERE person_id = :gone", gone=gone)
    await office.drain()
    await office.person("successor", unit)
    assert await queue.address_unsaid(office.now.date()) == 1
    await office.drain(after=MINUTE)
    assert [said.address for said in office.platform.sent] == ["successor"]


async def test_a_vacant_post_that_is_filled_hears_what_waits(office: Office) -> None:
    unit = await office.unit("a")
    closed, waiting = await office.remind(unit), await office.remind(unit)
    await office.drain()
    await office.close(closed)
    await office.person("new", unit)
    await queue.address_unsaid(office.now.date())
    await office.drain(after=MINUTE)
    (said,) = office.platform.sent
    assert f"#{waiting}" in said.text
    assert f"#{closed}" not in said.text


async def test_what_was_said_is_not_said_again_to_a_newcomer(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.remind(unit)
    await office.drain()
    await office.person("newcomer", unit)
    assert await queue.address_unsaid(office.now.date()) == 0


async def test_an_address_that_went_to_somebody_else_hears_nothing_of_the_first(office: Office) -> None:
    unit, other = await office.unit("a"), await office.unit("b")
    first = await office.person("shared", unit)
    await office.remind(unit)
    await office.delivery.open(office.now)
    second = await office.person("second", other, bound=False)
    await execute("UPDATE identity SET person_id = :second", second=second)
    await office.drain()
    assert office.platform.tried == []
    await office.bind(first, "elsewhere")
    await office.drain(after=MINUTE)
    assert [said.address for said in office.platform.sent] == ["elsewhere"]


# What goes wrong


async def test_the_words_are_frozen_at_the_first_attempt(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    office.platform.answer = failing(RetryError("busy"), times=1)
    obligation = await office.remind(unit)
    await office.drain()
    await office.close(obligation)
    await office.remind(unit)
    await office.drain(after=MINUTE)
    first, second, other = office.platform.tried
    assert first == second
    assert other.key != first.key


def failing(error: AdapterError, *, times: int = 10_000, only: str = "") -> Answer:
    """Raises for the first so many messages, of one address if named."""
    left = Counter(times=times)

    async def answer(message: Outgoing) -> None:
        if (not only or message.address == only) and left["times"] > 0:
            left["times"] -= 1
            raise error

    return answer


async def test_a_retry_waits_as_long_as_the_platform_asks(office: Office) -> None:
    await office.news("officer")
    office.platform.answer = failing(RetryError("slow down", after=90), times=1)
    await office.drain()
    await office.drain(after=timedelta(seconds=89))
    assert len(office.platform.tried) == 1
    await office.drain(after=timedelta(seconds=1))
    assert len(office.platform.sent) == 1


async def test_waits_grow_and_end_in_a_dead_letter(office: Office) -> None:
    await queue.put("answer", "webchat", "officer", {"text": "答"}, office.now)
    office.platform.answer = failing(RetryError("busy"))
    for _ in range(delivery.ATTEMPTS):
        await office.drain(after=delivery.LONGEST_WAIT)
    (notice,) = await office.notices()
    assert (notice["state"], notice["attempts"]) == ("dead", delivery.ATTEMPTS)
    assert office.alarms == [("webchat", f"notice {notice['id']}: gave up after 12 attempts: busy")]
    await office.drain(after=delivery.LONGEST_WAIT)
    assert len(office.platform.tried) == delivery.ATTEMPTS


async def test_a_failing_recipient_holds_up_nobody_else(office: Office) -> None:
    for number in range(30):
        await office.news("bad")
        await office.news(f"good-{number}")
    office.platform.answer = failing(RetryError("busy", after=600), only="bad")
    await office.drain()
    assert len(office.platform.sent) == 30
    assert len(office.platform.tried) == 31


async def test_more_failing_recipients_than_a_batch_hold_up_nobody(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BATCH", 5)
    for number in range(12):
        await office.news(f"bad-{number}")
    await office.news("good")

    async def answer(message: Outgoing) -> None:
        if message.address != "good":
            raise RetryError("busy", after=600)

    office.platform.answer = answer
    await office.drain()
    assert [said.address for said in office.platform.sent] == ["good"]


async def test_each_recipient_hears_in_order_whatever_fails(office: Office) -> None:
    attempts = Counter[str]()

    async def answer(message: Outgoing) -> None:
        attempts[message.key] += 1
        if (int(message.key) + attempts[message.key]) % 3 == 0:
            raise RetryError("busy", after=1)

    office.platform.answer = answer
    for number in range(40):
        await office.news(f"person-{number % 4}", str(number))
        if number % 7 == 0:
            await office.drain(after=timedelta(seconds=2))
    for _ in range(20):
        await office.drain(after=MINUTE)
    for number in range(4):
        assert [int(text) for text in office.platform.told(f"person-{number}")] == list(range(number, 40, 4))


async def test_a_later_message_does_not_overtake_one_that_waits(office: Office) -> None:
    office.platform.answer = failing(RetryError("busy", after=60), times=1)
    await office.news("officer", "first")
    await office.drain()
    await office.news("officer", "second")
    await office.drain(after=timedelta(seconds=30))
    assert office.platform.sent == []
    await office.drain(after=timedelta(seconds=30))
    assert office.platform.told("officer") == ["first", "second"]


async def test_what_followed_a_waiting_message_is_not_overtaken_either(office: Office) -> None:
    office.platform.answer = failing(RetryError("busy"), times=1)
    for text in ("first", "second"):
        await office.news("officer", text)
    await office.drain()
    office.now += timedelta(days=1)
    await office.news("officer", "third")
    await office.drain()
    assert office.platform.told("officer") == ["first", "second", "third"]


async def test_a_batch_cut_short_keeps_the_order(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH", 1)
    office.platform.answer = failing(RetryError("busy"), times=1)
    for text in ("first", "second"):
        await office.news("officer", text)
    await office.drain()
    await office.news("officer", "third")
    await office.drain(after=MINUTE)
    assert office.platform.told("officer") == ["first", "second", "third"]


async def test_a_dead_letter_lets_the_next_one_go(office: Office) -> None:
    office.platform.answer = failing(RecipientError("left the company"), times=1)
    await queue.put("answer", "webchat", "officer", {"text": "first"}, office.now)
    await office.news("officer", "second")
    await office.drain()
    assert office.platform.told("officer") == ["second"]
    assert len(office.alarms) == 1


async def test_news_that_cannot_be_told_makes_no_news(office: Office) -> None:
    office.platform.answer = failing(RecipientError("gone"))
    await office.news("admin")
    await office.drain()
    assert [row["state"] for row in await office.notices()] == ["dead"]
    assert office.alarms == []


async def test_a_wrong_key_rests_the_connection_and_burns_no_attempts(office: Office) -> None:
    office.platform.answer = failing(ConfigurationError("invalid key"), times=8)
    for number in range(30):
        await office.news(f"person-{number}")
    for _ in range(3):
        await office.drain(after=MINUTE)
    assert len(office.platform.tried) <= 8
    assert office.alarms == [("webchat", "invalid key")]
    assert {row["attempts"] for row in await office.notices(state="pending")} == {0}
    await lose_lease()
    await office.drain(after=MINUTE)
    assert len(office.platform.sent) == 30


async def test_an_adapter_with_a_defect_loses_nothing(office: Office) -> None:
    async def answer(_: Outgoing) -> None:
        if len(office.platform.tried) == 1:
            raise KeyError("errcode")

    office.platform.answer = answer
    await office.news("officer")
    await office.drain()
    await office.drain(after=MINUTE)
    assert len(office.platform.sent) == 1


async def test_a_platform_that_does_not_answer_is_tried_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SEND_SECONDS", 0.05)

    async def answer(_: Outgoing) -> None:
        if len(office.platform.tried) == 1:
            await asyncio.sleep(60)

    office.platform.answer = answer
    await office.news("officer")
    await office.drain()
    await office.drain(after=MINUTE)
    assert len(office.platform.sent) == 1


async def test_a_connection_that_is_not_configured_is_told_of_once(office: Office) -> None:
    await office.news("officer", connection="removed")
    for _ in range(3):
        await office.drain(after=MINUTE)
    assert office.alarms == [("removed", "no such connection is configured")]


async def test_a_slow_connection_holds_up_no_other(office: Office) -> None:
    slow, quick = Platform("slow"), Platform("quick")
    released = asyncio.Event()

    async def answer(_: Outgoing) -> None:
        await released.wait()

    slow.answer = answer
    office.delivery = office.replica(slow, quick)
    await office.news("one", connection="slow")
    await office.news("two", connection="quick")
    draining = asyncio.create_task(office.drain())
    await eventually(lambda: quick.sent)
    released.set()
    assert await draining == 2


async def test_what_a_clock_set_forward_has_put_off_goes_out(office: Office) -> None:
    office.now += timedelta(days=3650)
    await office.news("officer")
    office.now -= timedelta(days=3650)
    await office.drain()
    assert len(office.platform.sent) == 1


# What is in flight, and what a crash may repeat


async def test_at_most_eight_are_in_flight(office: Office) -> None:
    for number in range(100):
        await office.news(f"person-{number}")
    await office.drain()
    assert len(office.platform.sent) == 100
    assert office.platform.busiest == 8


async def test_no_more_than_in_flight_is_sent_without_a_receipt(office: Office) -> None:
    unwritten: list[int] = []

    async def answer(message: Outgoing) -> None:
        begun = len(office.platform.tried)
        (row,) = await fetch("SELECT COUNT(*) AS found FROM notice WHERE state = 'sent'")
        unwritten.append(begun - row["found"])

    office.platform.answer = answer
    for number in range(60):
        await office.news(f"person-{number}")
    await office.drain()
    assert max(unwritten) <= 8


async def test_a_stopped_delivery_sends_no_more_and_loses_nothing(office: Office) -> None:
    async def answer(_: Outgoing) -> None:
        office.delivery.stopping = len(office.platform.tried) >= 10

    office.platform.answer = answer
    for number in range(50):
        await office.news(f"person-{number}")
    await office.drain()
    assert len(office.platform.sent) < 20
    assert len(await office.notices(state="sent")) == len(office.platform.sent)
    office.platform.answer = None
    office.delivery.stopping = False
    await office.drain(after=MINUTE)
    assert sorted(Counter(said.address for said in office.platform.sent).values()) == [1] * 50


# Leases


async def test_two_replicas_lose_nothing_and_repeat_nothing(office: Office) -> None:
    platforms = [Platform(), Platform()]
    replicas = [office.replica(platform) for platform in platforms]
    for number in range(300):
        await office.news(f"person-{number % 50}", str(number))
    unit = await office.unit("a")
    for number in range(20):
        await office.person(f"officer-{number}", unit)
    await office.remind(unit)
    for _ in range(3):
        await asyncio.gather(*(replica.drain(office.now) for replica in replicas))
        await replicas[0].close()
    sent = Counter(said.key for platform in platforms for said in platform.sent)
    assert len(sent) == 320
    assert set(sent.values()) == {1}


async def test_a_late_receipt_changes_nothing(office: Office) -> None:
    number = await office.news("officer")
    assert await queue.lease("webchat", "late")
    await queue.claim("webchat", "late", office.now, 10)
    await lose_lease()
    assert await queue.lease("webchat", "next")
    await queue.claim("webchat", "next", office.now, 10)
    await queue.settle([Outcome(number, "sent", office.now, "late")], "late")
    await queue.settle([Outcome(number, "pending", office.now, due_at=office.now + MINUTE)], "late")
    (notice,) = await office.notices()
    assert (notice["state"], notice["token"], notice["receipt"]) == ("pending", "next", "")
    assert notice["attempts"] == 0


async def test_who_lost_the_lease_claims_nothing(office: Office) -> None:
    await office.news("officer")
    assert await queue.lease("webchat", "late")
    await lose_lease()
    assert await queue.lease("webchat", "next")
    assert await queue.claim("webchat", "late", office.now, 10) == []


async def test_who_lost_the_lease_freezes_nothing(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.remind(unit)
    await office.delivery.open(office.now)
    assert await queue.lease("webchat", "late")
    (claimed,) = await queue.claim("webchat", "late", office.now, 10)
    (owed,) = await queue.collect([claimed], office.now.date())
    await lose_lease()
    await office.drain()
    await queue.freeze([(claimed.id, {"text": "late"})], [(owed.item, claimed.id, "dropped")], "late")
    (said,) = office.platform.sent
    assert "a局" in said.text
    assert [row["outcome"] for row in await fetch("SELECT outcome FROM notice_item")] == ["said"]


async def test_a_crash_between_claim_and_words_leaves_one_notice(office: Office) -> None:
    unit = await office.unit("a")
    await office.person("officer", unit)
    await office.remind(unit)
    await office.delivery.open(office.now)
    assert await queue.lease("webchat", "dead")
    await queue.claim("webchat", "dead", office.now, 10)
    await lose_lease()
    await office.remind(unit)
    await office.drain(after=MINUTE)
    (said,) = office.platform.sent
    assert said.text.count("a局") == 2
    assert len(await office.notices()) == 1


async def test_a_long_batch_renews_its_lease(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RENEW_SECONDS", 0.0)
    untils: list[object] = []

    async def answer(_: Outgoing) -> None:
        untils.append((await lease_of())["until"])
        await asyncio.sleep(0.01)

    office.platform.answer = answer
    for _ in range(4):
        await office.news("officer")
    await office.drain()
    assert len(set(untils)) == 4


async def test_a_sender_whose_lease_was_taken_stops(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RENEW_SECONDS", 0.0)

    async def answer(_: Outgoing) -> None:
        await lose_lease()
        await queue.lease("webchat", "other")

    office.platform.answer = answer
    for _ in range(4):
        await office.news("officer")
    await office.drain()
    assert len(office.platform.sent) == 1


async def test_a_closed_delivery_lets_another_take_over_at_once(office: Office) -> None:
    await office.news("officer")
    await office.drain()
    other = Platform()
    await office.news("officer")
    assert await office.replica(other).drain(office.now) == 0
    await office.delivery.close()
    assert await office.replica(other).drain(office.now) == 1


# Limits


class Limited(Platform):
    per_minute = 20


async def test_no_minute_sees_more_than_the_limit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = Clocked(monkeypatch)
    limited = Limited()
    for number in range(120):
        await office.news(f"person-{number}")
    sent: list[int] = []
    for second in range(300):
        if second % 97 == 0:  # a restart, or another replica
            office.delivery = office.replica(limited)
            await lose_lease()
        before = len(limited.sent)
        await office.delivery.drain(office.now)
        sent.append(len(limited.sent) - before)
        await seconds.pass_(1)
    assert max(sum(sent[start : start + 60]) for start in range(240)) <= 20
    assert sum(sent) >= 300 / 60 * 20 * 0.7


class Clocked:
    """Lease time moved by hand: on PostgreSQL by moving what the row remembers the other way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr(time, "time", lambda: self.now)

    async def pass_(self, seconds: float) -> None:
        self.now += seconds
        if dialect() == "postgresql":
            await execute("UPDATE lease SET counted_at = counted_at - :seconds", seconds=seconds)


async def test_a_small_wave_does_not_empty_the_bucket(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    Clocked(monkeypatch)
    limited = Limited()
    office.delivery = office.replica(limited)
    for number in range(5):
        await office.news(f"person-{number}")
        await office.drain()
    assert len(limited.sent) == 5


async def test_parts_count_as_messages(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    Clocked(monkeypatch)
    limited = Limited()
    monkeypatch.setattr(Limited, "max_bytes", 10)
    office.delivery = office.replica(limited)
    await office.news("one", "一二三\n四五六\n七八九\n十百千\n万亿兆")
    await office.drain()
    await office.news("two")
    await office.drain()
    assert [said.address for said in limited.sent] == ["one"] * 5
    assert len({said.key for said in limited.sent}) == 5


async def test_a_bucket_fills_though_the_clock_was_set_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    if dialect() == "postgresql":
        pytest.skip("its clock is not ours to set")
    seconds = Clocked(monkeypatch)
    limited = Limited()
    office.delivery = office.replica(limited)
    for number in range(20):
        await office.news(f"person-{number}")
    await office.drain()
    await seconds.pass_(-86_400)
    await office.drain()
    await seconds.pass_(60)
    await office.drain()
    assert len(limited.sent) == 10


# What the platform is given


async def test_buttons_stand_under_the_last_part_only(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Platform, "max_bytes", 12)
    body = {"text": "一二三\n四五六", "buttons": [["好", "detail:1", "plain"]]}
    await queue.put("answer", "webchat", "officer", body, office.now)
    await office.drain()
    assert [len(said.buttons) for said in office.platform.sent] == [0, 1]


async def test_what_is_said_to_somebody_has_an_order(office: Office) -> None:
    for number in range(20):
        await office.news("officer", str(number))
    await office.drain()
    rows = await queue.sent("officer", "webchat", office.now + MINUTE, 50)
    assert len({row["at"] for row in rows}) == 20
    assert [row["body"]["text"] for row in sorted(rows, key=lambda row: row["at"])] == [str(n) for n in range(20)]


async def test_news_that_asks_for_an_answer_says_where_to_give_it_where_nobody_can_here(office: Office) -> None:
    office.platform.can_answer = False  # type: ignore[misc]
    asked = {"text": "【申请1】", "buttons": [["同意", "approve:1", "primary"]], "items": []}
    await queue.put("news", "webchat", "supervisor", asked, office.now)
    await office.news("officer", "【通知】")
    await office.drain()
    assert "请到督办页面登录办理" in office.platform.told("supervisor")[0]
    assert office.platform.told("officer") == ["【通知】"]
