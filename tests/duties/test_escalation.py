"""Formal steps: what the law allows to be proposed about what is late, and what becomes of the letter."""

import json
from collections.abc import AsyncIterator, Awaitable
from datetime import date

import pytest

from duties import cases, escalation, planning
from duties.cases import Law
from duties.errors import RefusedError
from duties.escalation import Mended, Signing, Written
from duties.ledger import StreamRef
from duties.model import Actor, Force, Role
from duties.paper import Paper
from duties.reading import shipped
from duties.store import case_rows, chains
from duties.store.database import execute, fetch, transaction
from duties.store.verifying import silent_changes
from tests.duties.town import CALENDAR, at, enter, fresh, moment, somebody

LAW = Law(shipped(), CALENDAR)
LATE = "2026-02-05"
"""The report of January 31 is five days late."""


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[dict[str, int]]:
    place = "新疆维吾尔自治区/昌吉州/昌吉市"
    async with fresh(database_url):
        await enter(
            gov={"tags": ["government"], "jurisdiction": place},
            justice={"parent": "gov", "tags": ["department", "justice", "supervision"], "jurisdiction": place},
            water={"parent": "gov", "tags": ["department", "enforcement"], "jurisdiction": place},
        )
        await planning.plan(LAW.registry, at("2026-01-05"), at("2026-01-05").date())
        yield {row["code"]: row["id"] for row in await fetch("SELECT id, code FROM unit")}


def supervisor(town: dict[str, int]) -> Actor:
    return somebody((Role.SUPERVISOR, town["justice"]), number=7)


async def owed(town: dict[str, int], duty: str = "enforcement-annual-report", unit: str = "water") -> int:
    rows = await fetch(
        "SELECT o.id FROM obligation o JOIN term t ON t.id = o.term_id WHERE o.unit_id = :unit AND t.duty = :duty"
        " ORDER BY t.due LIMIT 1",
        unit=town[unit], duty=duty,
    )  # fmt: skip
    return int(rows[0]["id"])


async def drafted(town: dict[str, int], number: int, paper: Paper | None = None, when: str = LATE) -> Written:
    async with transaction():
        return await escalation.draft(supervisor(town), LAW.registry, number, paper, moment(when))


async def signed(town: dict[str, int], letter: int, when: str, by: date | None = None) -> Written:
    signing = Signing(f"昌司督〔2026〕{letter}号", at(when).date(), "张三", by)
    async with transaction():
        return await escalation.issue(supervisor(town), letter, signing, moment(when))


async def served(town: dict[str, int], letter: int, when: str) -> Written:
    async with transaction():
        return await escalation.serve(supervisor(town), LAW, letter, at(when).date(), "当面签收", moment(when))


@pytest.mark.parametrize(
    ("duty", "papers"),
    [
        ("enforcement-annual-report", (Paper.URGING, Paper.OPINION)),
        ("study-plan", (Paper.INTERVIEW, Paper.BULLETIN)),
        ("urge-letter-response", (Paper.OPINION,)),
        ("opinion-letter-rectification", (Paper.DECISION,)),
        ("decision-letter-compliance", ()),
    ],
)
def test_each_duty_climbs_only_where_its_articles_lead(duty: str, papers: tuple[Paper, ...]) -> None:
    assert escalation.allowed(LAW.registry.duty(duty), Force.SETTLED) == papers


def test_nothing_climbs_on_a_force_that_is_only_assumed() -> None:
    assert {escalation.allowed(duty, Force.ASSUMED) for duty in LAW.registry.duties} == {()}


async def test_the_whole_way_from_a_late_report_to_the_decision(town: dict[str, int]) -> None:
    number = await owed(town)
    urging = await drafted(town, number)
    assert (urging.letter.paper, urging.letter.state) == ("urging", "drafted")
    await signed(town, urging.letter.id, LATE)
    first = await served(town, urging.letter.id, "2026-02-06")
    assert first.opened is not None
    assert first.opened.case.duty == "urge-letter-response"
    await _late(first.opened.case.id, "urge-letter-response", date(2026, 2, 27))
    opinion = await drafted(town, first.opened.clocks[0].obligation_id, when="2026-03-02")
    assert opinion.letter.paper == "opinion"
    await signed(town, opinion.letter.id, "2026-03-02")
    second = await served(town, opinion.letter.id, "2026-03-03")
    assert second.opened is not None
    assert second.opened.case.parent_id == first.opened.case.id
    await _late(second.opened.case.id, "opinion-letter-rectification", date(2026, 4, 2))
    decision = await drafted(town, second.opened.clocks[0].obligation_id, when="2026-04-07")
    with pytest.raises(RefusedError) as refused:
        await signed(town, decision.letter.id, "2026-04-07")
    assert refused.value.key == "refused-day-needed"
    await signed(town, decision.letter.id, "2026-04-07", date(2026, 5, 20))
    third = await served(town, decision.letter.id, "2026-04-08")
    assert third.opened is not None
    assert third.opened.clocks[0].deadline.due == date(2026, 5, 20)
    with pytest.raises(RefusedError) as over:
        await drafted(town, third.opened.clocks[0].obligation_id, when="2026-06-01")
    assert over.value.key == "refused-no-further-letter"
    lines = await chains.history(StreamRef("letter", decision.letter.id))
    assert [line["action"] for line in lines] == ["draft", "issue", "serve"]
    assert await silent_changes() == []


async def _late(case: int, duty: str, due: date) -> None:
    clocks = {one.duty: one.due for one in await case_rows.clocks(case)}
    assert clocks[duty] == due


async def corrected(town: dict[str, int], letter: int, mended: Mended, when: str = LATE) -> Written:
    async with transaction():
        return await escalation.correct(supervisor(town), LAW, letter, mended, moment(when))


async def key(act: Awaitable[object]) -> str:
    with pytest.raises(RefusedError) as refused:
        await act
    return refused.value.key


async def test_what_a_letter_that_is_out_said_wrong_is_corrected_and_stays_in_its_chain(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    await signed(town, letter, LATE)
    done = await corrected(town, letter, Mended(document="昌司督〔2026〕8号", signatory="李四"))
    assert (done.letter.document, done.letter.signatory, done.letter.state) == ("昌司督〔2026〕8号", "李四", "issued")
    assert done.was is not None
    assert done.was.signatory == "张三"
    lines = await chains.history(StreamRef("letter", letter))
    assert [line["action"] for line in lines] == ["draft", "issue", "correct"]
    assert [json.loads(line["payload"])["signatory"] for line in lines] == ["", "张三", "李四"]
    assert await silent_changes() == []


async def test_a_corrected_day_of_service_moves_the_clock_it_started(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    await signed(town, letter, LATE)
    first = await served(town, letter, "2026-02-06")
    assert first.opened is not None
    when = "2026-02-09"
    done = await corrected(town, letter, Mended(served_on=date(2026, 2, 9), document="昌司督〔2026〕8号"), when)
    assert done.opened is not None
    assert done.opened.case.document == "昌司督〔2026〕8号"
    (clock,) = done.opened.clocks
    assert clock.was_due == first.opened.clocks[0].deadline.due
    assert clock.deadline.due > clock.was_due
    await corrected(town, letter, Mended(signatory="李四"), when)
    assert [line["action"] for line in await chains.history(StreamRef("case", done.opened.case.id))] == [
        "open", "amend",
    ]  # fmt: skip
    assert await silent_changes() == []


@pytest.mark.parametrize(
    ("mended", "refused"),
    [
        (Mended(), "refused-letter-unchanged"),
        (Mended(signatory="张三"), "refused-letter-unchanged"),
        (Mended(issued_on=date(2026, 2, 7)), "refused-served-day"),
        (Mended(issued_on=date(2026, 3, 7)), "refused-future"),
        (Mended(served_on=date(2026, 2, 4)), "refused-served-day"),
        (Mended(served_on=date(2026, 3, 4)), "refused-served-day"),
        (Mended(named_on=date(2026, 2, 4)), "refused-named-day"),
    ],
)
async def test_what_cannot_be_is_not_corrected_into_a_letter(
    town: dict[str, int], mended: Mended, refused: str
) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    assert await key(corrected(town, letter, Mended(signatory="李四"))) == "refused-letter-state"
    await signed(town, letter, LATE)
    assert await key(corrected(town, letter, Mended(served_on=date(2026, 2, 5)))) == "refused-letter-state"
    await served(town, letter, "2026-02-06")
    assert await key(corrected(town, letter, mended, "2026-02-08")) == refused


async def test_a_letter_about_lateness_is_dated_after_the_last_day_and_not_after_today(town: dict[str, int]) -> None:
    number = await owed(town)
    letter = (await drafted(town, number)).letter.id
    with pytest.raises(RefusedError) as early:
        await signed(town, letter, "2026-01-31")
    assert (early.value.key, early.value.facts["since"]) == ("refused-before-fault", date(2026, 2, 1))
    assert early.value.facts["number"] == number
    tomorrow = Signing("昌司督〔2026〕1号", date(2026, 2, 6), "张三")
    assert await key(escalation.issue(supervisor(town), letter, tomorrow, moment(LATE))) == "refused-future"
    await signed(town, letter, "2026-02-01")
    assert await key(corrected(town, letter, Mended(issued_on=date(2026, 1, 31)))) == "refused-before-fault"


async def test_what_is_issued_is_corrected_not_issued_again(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    first = (await signed(town, letter, LATE)).letter
    again = Signing("昌司督〔2026〕9号", date(2026, 2, 5), "李四")
    with pytest.raises(RefusedError) as refused:
        async with transaction():
            await escalation.issue(supervisor(town), letter, again, moment(LATE))
    assert (refused.value.key, refused.value.facts["document"]) == ("refused-issued-already", first.document)
    assert await escalation.found(supervisor(town), letter) == first
    await served(town, letter, LATE)
    assert await key(escalation.issue(supervisor(town), letter, again, moment(LATE))) == "refused-issued-already"
    async with transaction():
        await escalation.recall(supervisor(town), LAW, letter, "文书有误", moment(LATE))
    assert await key(escalation.issue(supervisor(town), letter, again, moment(LATE))) == "refused-letter-state"


async def test_an_office_gives_a_number_once_a_year(town: dict[str, int]) -> None:
    first = (await drafted(town, await owed(town))).letter.id
    second = (await drafted(town, await owed(town), Paper.OPINION)).letter.id
    await signed(town, first, LATE)
    again = Signing(f"昌司督[2026] {first}号", at(LATE).date(), "张三", None)
    with pytest.raises(RefusedError) as refused:
        async with transaction():
            await escalation.issue(supervisor(town), second, again, moment(LATE))
    assert (refused.value.key, refused.value.facts["number"]) == ("refused-number-used", first)
    await signed(town, second, LATE)
    assert await key(corrected(town, second, Mended(document=f"昌司督〔2026〕{first}号"))) == "refused-number-used"
    async with transaction():
        await escalation.recall(supervisor(town), LAW, first, "重拟", moment(LATE))
    await corrected(town, second, Mended(document=f"昌司督〔2026〕{first}号"))


async def test_no_letter_is_drafted_before_a_deadline_or_on_an_assumed_force(town: dict[str, int]) -> None:
    number = await owed(town)
    with pytest.raises(RefusedError) as early:
        await drafted(town, number, when="2026-01-31")
    assert early.value.key == "refused-not-overdue"
    await execute("UPDATE term SET force = 'assumed'")
    with pytest.raises(RefusedError) as assumed:
        await drafted(town, number)
    assert assumed.value.key == "refused-force-assumed"


async def test_a_letter_that_no_article_supports_is_refused_with_what_is_allowed(town: dict[str, int]) -> None:
    with pytest.raises(RefusedError) as refused:
        await drafted(town, await owed(town), Paper.DECISION)
    assert (refused.value.key, refused.value.facts["offered"]) == (
        "refused-letter-not-allowed", [Paper.URGING, Paper.OPINION],
    )  # fmt: skip


async def test_only_who_supervises_the_unit_drafts_signs_and_serves(town: dict[str, int]) -> None:
    number = await owed(town)
    stranger = somebody((Role.SUPERVISOR, town["justice"]), number=9, over="/elsewhere/")
    head = somebody((Role.HEAD, town["water"]), number=8, over="/nowhere/")
    for actor in (stranger, head):
        with pytest.raises(RefusedError) as refused:
            async with transaction():
                await escalation.draft(actor, LAW.registry, number, None, moment(LATE))
        assert refused.value.key == "refused-not-supervisor"
    letter = (await drafted(town, number)).letter.id
    with pytest.raises(RefusedError):
        async with transaction():
            await escalation.found(stranger, letter)


async def test_the_same_letter_is_drafted_once_until_it_is_withdrawn(town: dict[str, int]) -> None:
    number = await owed(town)
    first = await drafted(town, number)
    with pytest.raises(RefusedError) as refused:
        await drafted(town, number)
    assert refused.value.facts["number"] == first.letter.id
    async with transaction():
        await escalation.recall(supervisor(town), LAW, first.letter.id, "写错了", moment(LATE))
    assert (await drafted(town, number)).letter.id != first.letter.id


async def test_a_withdrawn_letter_takes_its_case_with_it(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    await signed(town, letter, LATE)
    done = await served(town, letter, LATE)
    assert done.opened is not None
    async with transaction():
        after = await escalation.recall(supervisor(town), LAW, letter, "文书有误", moment("2026-02-09"))
    assert after.letter.state == "withdrawn"
    case = await case_rows.found(done.opened.case.id)
    assert case is not None
    assert case.state == cases.WITHDRAWN
    assert await silent_changes() == []


async def test_a_letter_whose_case_was_withdrawn_before_can_be_withdrawn_too(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    await signed(town, letter, LATE)
    done = await served(town, letter, LATE)
    assert done.opened is not None
    async with transaction():
        await cases.withdraw(supervisor(town), LAW, done.opened.case.id, "文书有误", moment("2026-02-09"))
        after = await escalation.recall(supervisor(town), LAW, letter, "文书有误", moment("2026-02-09"))
    assert after.letter.state == "withdrawn"
    assert await silent_changes() == []


async def test_steps_come_in_their_order_and_on_their_days(town: dict[str, int]) -> None:
    letter = (await drafted(town, await owed(town))).letter.id
    with pytest.raises(RefusedError) as unsigned:
        await served(town, letter, LATE)
    assert unsigned.value.key == "refused-letter-state"
    await signed(town, letter, LATE)
    async with transaction():
        with pytest.raises(RefusedError) as early:
            await escalation.serve(supervisor(town), LAW, letter, date(2026, 2, 4), "", moment(LATE))
    assert early.value.key == "refused-served-day"
    await served(town, letter, "2026-02-06")


async def test_an_interview_starts_no_clock(town: dict[str, int]) -> None:
    number = await owed(town, "law-government-report-department")
    letter = (await drafted(town, number, Paper.INTERVIEW, "2026-04-10")).letter.id
    await signed(town, letter, "2026-04-10")
    assert (await served(town, letter, "2026-04-10")).opened is None
