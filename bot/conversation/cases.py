"""个案: 立案 by a guided dialogue, 更正, 暂停, 恢复, 撤案. Deadlines and grounds are echoed before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from bot.conversation.ask import HOLDERS, Ask, Question, Reply
from bot.conversation.narrow import units_called
from bot.conversation.supervisor import view
from bot.papers import SHOWN_STEPS
from bot.store.oversight import View
from bot.wording.events import ABOUT, CONFIRMATIONS, EVENTS, PAUSE_ONLY, Spoken, case_number, read_event
from bot.wording.grammar import LONGEST_TOPIC, DayError
from bot.wording.groups import timing
from duties import cases
from duties.cases import Law, Opening, Recorded, Started
from duties.clock import Deadline
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Case, Obligation, Role, State, Step
from duties.registry import EventRule
from duties.store import case_rows, reading
from duties.store.case_rows import Clock

LISTED = 12
MOST = 1_000
"""Cases counted at most."""
CHOICES = 6


@dataclass(frozen=True, slots=True)
class _Unit:
    id: int
    name: str
    path: str


async def open_case(ask: Ask) -> Reply:
    """立案: what is missing is asked for, one thing at a time; then the dates are shown; 确认 starts the clocks."""
    if not ask.holds(*HOLDERS, Role.SUPERVISOR):
        raise RefusedError("refused-post", action="case")
    confirmed = ask.asked and ask.words.lower() in CONFIRMATIONS
    said = ask.before if confirmed else f"{ask.before} {ask.words}".strip()
    try:
        spoken = read_event(said, ask.today)
    except DayError as error:
        return _asking(ask, ask.before, "case-no-such-day", text=error)
    if not spoken.duty:
        return _asking(ask, said, "case-which-event", events=[words[0] for words in EVENTS.values()])
    return replace(await _opened(ask, said, spoken, confirmed=confirmed), duties=(spoken.duty,))


async def _opened(ask: Ask, said: str, spoken: Spoken, *, confirmed: bool) -> Reply:
    unit, rest = await _meant_unit(ask, spoken)
    if isinstance(unit, Reply):
        return unit
    opening = _opening(ask, spoken, unit, rest)
    if isinstance(opening, Reply):
        return _asking(ask, said, opening.text)
    law = _law(ask)
    if not confirmed:
        if opening.event_on > ask.today:
            return _asking(ask, said, "refused-future", day=opening.event_on)
        await cases.may_open(ask.actor, law, opening)
        clocks = cases.worked_out(law, opening)
        head = ask.say("case-confirm-head", event=_event(ask, opening.duty), unit=unit.name, **_said(ask, opening))
        lines = [head, *(line for one in clocks for line in _clock(ask, one)), ask.say("case-confirm-foot")]
        return Reply("\n".join(lines), question=_question(ask, said))
    done = await cases.open_case(ask.actor, law, opening, ask.at)
    return _recorded(ask, "case-opened", done)


async def _meant_unit(ask: Ask, spoken: Spoken) -> tuple[_Unit | Reply, tuple[str, ...]]:
    """The unit named last, or the asker's own where they have one only; and the words that name none."""
    seen = view(ask)
    chosen: list[dict[str, Any]] = []
    rest: list[str] = []
    for word in spoken.words:
        rows = [row for row in await units_called(word) if seen.sees(row["id"], row["path"])]
        if rows:
            chosen = rows
        else:
            rest.append(word)
    said = " ".join(part for part in (ask.before, ask.words) if part)
    if len(chosen) > 1:
        names = [row["name"] for row in chosen[:CHOICES]]
        return _asking(ask, said, "case-which-of-units", names=names), ()
    if chosen:
        return _Unit(chosen[0]["id"], chosen[0]["name"], chosen[0]["path"]), tuple(rest)
    own = [post for post in ask.actor.posts if post.role in HOLDERS]
    if len({post.unit_id for post in own}) == 1:
        return _Unit(own[0].unit_id, own[0].unit, ""), tuple(rest)
    key = "case-unit-unknown" if rest else "case-which-unit"
    return _asking(ask, said, key, words=rest), ()


def _opening(ask: Ask, spoken: Spoken, unit: _Unit, rest: Sequence[str]) -> Opening | Reply:
    """Everything a case needs; or a Reply whose text is the key of the question for what is missing."""
    rule = ask.registry.duty(spoken.duty).rule
    assert isinstance(rule, EventRule)
    on = spoken.event_on or (ask.today if spoken.duty == "assignment" else None)
    if on is None:
        return Reply("case-which-day")
    if rule.named_day == "required" and spoken.named_on is None:
        return Reply("case-named-day-wanted")
    subject = " ".join(rest)[:LONGEST_TOPIC]
    if spoken.duty in ABOUT and not subject:
        return Reply("case-subject-wanted")
    return Opening(spoken.duty, unit.id, on, spoken.named_on, spoken.document, subject, spoken.parent)


async def listed(ask: Ask) -> Reply:
    """个案: those under way, or one with its clocks."""
    seen = view(ask)
    number, _ = case_number(ask.words)
    if number is not None:
        return await _one(ask, await _visible(number, seen))
    found = await case_rows.under(seen.trees, seen.units, MOST, everything=seen.everything, hidden=ask.hidden)
    if not found:
        return Reply(ask.say("cases-none"))
    lines = [ask.say("cases-head", n=min(len(found), LISTED))]
    for case in found[:LISTED]:
        clocks = [one for one in await case_rows.clocks(case.id) if one.state not in ("cancelled", "closed", "waived")]
        assert clocks, "it has something left to do"
        nearest = min(clocks, key=lambda clock: _rank(ask, clock))
        facts = {"number": case.id, "unit": case.unit, "event": _event(ask, case.duty), "on": case.event_on}
        key = "cases-line" if nearest.state in OPEN_STATES else "cases-line-reported"
        lines.append(ask.say(key, **facts, **_timing(ask, nearest)))
    more = [ask.say("cases-more")] if len(found) > LISTED else []
    return Reply("\n".join([*lines, *more, ask.say("cases-foot")]), found=len(found))


def _rank(ask: Ask, clock: Clock) -> tuple[bool, bool]:
    """Which clock a case is listed by: its work before a right beside it, and what is owed before what is reported."""
    return cases.event_rule(ask.registry.duty(clock.duty)).lapses, clock.state not in OPEN_STATES


async def _one(ask: Ask, case: Case) -> Reply:
    rows = await case_rows.clocks(case.id)
    head = ask.say(
        "case-head", number=case.id, unit=case.unit, event=_event(ask, case.duty), on=case.event_on,
        document=case.document, subject=case.subject,
    ).rstrip()  # fmt: skip
    lines = [
        ask.say(
            "case-clock" if row.state in OPEN_STATES else "case-clock-over", title=ask.title(row.duty),
            state=_state(ask, case, row), id=row.obligation_id, **_timing(ask, row),
        )
        for row in rows
    ]  # fmt: skip
    marks = [ask.say("case-is-withdrawn")] if case.state == cases.WITHDRAWN else []
    about = tuple(row.obligation_id for row in rows)
    return Reply("\n".join([head, *marks, *lines]), about=about, duties=(case.duty,))


def _state(ask: Ask, case: Case, clock: Clock) -> str:
    """Where a clock stands; one that came to its end by itself was not cancelled by anybody."""
    ended = clock.state == State.CANCELLED and case.state == case_rows.OPEN and ask.today > clock.due
    if ended and cases.event_rule(ask.registry.duty(clock.duty)).lapses:
        return ask.say("case-ended" if clock.duty == cases.RETURNED else "case-lapsed")
    return ask.say(f"state-{clock.state}")


async def _visible(number: int, seen: View) -> Case:
    case = await case_rows.found(number)
    if case is None:
        raise RefusedError("refused-no-such-case", number=number)
    if not seen.sees(case.unit_id, case.unit_path):
        raise RefusedError("refused-not-yours-to-see", unit=case.unit, unit_id=case.unit_id, action="cases")
    return case


async def amend(ask: Ask) -> Reply:
    """更正: 个案12 9月21日收到, 限10月8日前, another document number."""
    number, spoken = _numbered(ask)
    if isinstance(spoken, Reply):
        return spoken
    done = await cases.amend(
        ask.actor, _law(ask), number, ask.at,
        event_on=spoken.event_on, named_on=spoken.named_on, document=spoken.document,
    )  # fmt: skip
    return _recorded(ask, "case-amended", done)


async def pause(ask: Ask) -> Reply:
    """暂停: 个案12 9月20日通知补正 水利局. Who is to complete the materials is told so by a case of its own."""
    confirmed = ask.asked and ask.words.lower() in CONFIRMATIONS
    said = ask.before if confirmed else f"{ask.before} {ask.words}".strip()
    number, spoken = _numbered(ask, said)
    if isinstance(spoken, Reply):
        return replace(spoken, question=_question(ask, ask.before, "pause")) if ask.asked else spoken
    noticed = spoken.event_on or spoken.named_on or ask.today
    case = await cases.may_pause(ask.actor, _law(ask), number, noticed, ask.at)
    if any(word.lower() in PAUSE_ONLY for word in spoken.words):
        return await _paused(ask, number, noticed)
    unit = await _completing(ask, said, spoken)
    if isinstance(unit, Reply):
        return unit
    if confirmed:
        return await _paused(ask, number, noticed, unit)
    clocks = cases.worked_out(_law(ask), cases.materials(case, unit.id, noticed))
    lines = [
        ask.say("pause-confirm-head", number=number, day=noticed, unit=unit.name),
        *(line for one in clocks for line in _clock(ask, one)),
        ask.say("pause-confirm-foot"),
    ]
    return Reply("\n".join(lines), question=_question(ask, said, "pause"), duties=(case.duty,))


async def _completing(ask: Ask, said: str, spoken: Spoken) -> _Unit | Reply:
    """The unit that is to complete the materials; or the question which."""
    found = [rows for word in spoken.words if (rows := await units_called(word))]
    if found and len(found[-1]) == 1:
        (row,) = found[-1]
        return _Unit(row["id"], row["name"], row["path"])
    if found:
        text = ask.say("case-which-of-units", names=[row["name"] for row in found[-1][:CHOICES]])
    else:
        text = ask.say("pause-who-completes")
    return Reply(text, question=_question(ask, said, "pause"))


async def _paused(ask: Ask, number: int, noticed: date, unit: _Unit | None = None) -> Reply:
    done = await cases.pause(ask.actor, _law(ask), number, noticed, ask.at)
    text = "\n".join([ask.say("case-paused", number=number, entry=done.entry), *clock_lines(ask, done)])
    if unit is None:
        return Reply(text, duties=(done.case.duty,))
    opened = await cases.want_materials(ask.actor, _law(ask), number, unit.id, ask.at)
    reply = _recorded(ask, "case-opened", opened)
    said = [text, reply.text, ask.say("pause-resumes-itself", number=number)]
    return replace(reply, text="\n".join(said), duties=(done.case.duty, opened.case.duty))


async def resume(ask: Ask) -> Reply:
    """恢复: 个案12 9月25日收到."""
    number, spoken = _numbered(ask)
    if isinstance(spoken, Reply):
        return spoken
    done = await cases.resume(ask.actor, _law(ask), number, spoken.event_on or spoken.named_on or ask.today, ask.at)
    return _recorded(ask, "case-resumed", done)


async def withdraw(ask: Ask) -> Reply:
    """撤案: 个案12 with a reason; what is open in it is owed no longer."""
    number, spoken = _numbered(ask)
    if isinstance(spoken, Reply):
        return spoken
    reason = case_number(f"{ask.before} {ask.words}".strip())[1][:LONGEST_TOPIC]
    if not reason:
        case, question = await case_rows.found(number), _question(ask, ask.words, "withdraw")
        return Reply(
            ask.say("case-reason-wanted", number=number), question=question, duties=(case.duty,) if case else ()
        )
    done = await cases.withdraw(ask.actor, _law(ask), number, reason, ask.at)
    text = ask.say("case-withdrawn", number=number, reason=reason, entry=done.entry)
    return Reply("\n".join([text, *await cancelled_lines(ask, done)]), duties=(done.case.duty,))


async def cancelled_lines(ask: Ask, done: Recorded) -> list[str]:
    """What is owed no longer with a case."""
    found = [await reading.obligation(number) for number in done.cancelled]
    return [ask.say("case-owed-no-longer", **ask.facts(one)) for one in found if one is not None]


def _numbered(ask: Ask, said: str = "") -> tuple[int, Spoken | Reply]:
    number, rest = case_number(said or f"{ask.before} {ask.words}".strip())
    if number is None:
        return 0, Reply(ask.say("case-number-wanted"))
    try:
        return number, read_event(rest, ask.today)
    except DayError as error:
        return 0, Reply(ask.say("case-no-such-day", text=error))


async def consequences(ask: Ask, one: Obligation) -> list[str]:
    """What a report sets going by itself, and whether it came before its time."""
    assert one.done_on is not None, "what is reported has its day"
    lines = []
    earliest = await case_rows.not_before(one.id)
    if earliest is not None and one.done_on < earliest:
        lines.append(ask.say("case-early", day=earliest))
    done = await cases.followed(ask.actor, _law(ask), one.id, one.done_on, ask.at)
    if done is not None:
        case, event = done.case, _event(ask, done.case.duty)
        moved = any(clock.was_due for clock in done.clocks)
        key = ("case-clock-resumed" if case.pauses else "case-begun-anew") if moved else "case-followed"
        lines.append(ask.say(key, number=case.id, unit=case.unit, event=event, on=case.event_on))
    return lines


def _recorded(ask: Ask, key: str, done: Recorded) -> Reply:
    case = done.case
    event = _event(ask, case.duty)
    head = ask.say(key, number=case.id, unit=case.unit, event=event, on=case.event_on, entry=done.entry)
    about = tuple(one.obligation_id for one in done.clocks)
    return Reply("\n".join([head, *clock_lines(ask, done)]), about=about, duties=(case.duty,))


def clock_lines(ask: Ask, done: Recorded) -> list[str]:
    """Every clock of a case, with its grounds."""
    return [line for one in done.clocks for line in _clock(ask, one)]


def _clock(ask: Ask, one: Started) -> list[str]:
    """A deadline with its grounds, and what it was before."""
    rule = cases.event_rule(one.duty)
    cited = "\uff1b".join(ask.registry.citations(one.duty, rule.jurisdiction, short=True)[:2])
    citation = ask.say("case-ground", ground=cited) if cited else ""
    key = "case-return" if one.duty.code == cases.RETURNED else "case-right" if rule.lapses else "case-due"
    title = one.duty.title if ask.language == "zh" else one.duty.title_en
    if one.deadline.stop:
        return [ask.say("case-stands", title=title, ground=citation, **_timing(ask, one.deadline))]
    lines = [ask.say(key, title=title, due=one.deadline.due, starts=one.deadline.starts, ground=citation)]
    if one.was_due is not None and one.was_due != one.deadline.due:
        lines.append(ask.say("case-was-due", was=one.was_due))
    lines += [_step(ask, step) for step in one.deadline.steps if step.rule in SHOWN_STEPS and _tells(step)]
    if one.deadline.not_before:
        lines.append(ask.say("case-not-before", day=one.deadline.not_before))
    if ask.today > one.deadline.due and not rule.lapses:
        lines.append(ask.say("case-late-already"))
    return lines


def _timing(ask: Ask, clock: Clock | Deadline) -> dict[str, str]:
    return timing(clock.due, clock.stop, ask.today, ask.language)


def _tells(step: Step) -> bool:
    """A last day that the text itself gives needs no line of its own."""
    return not (step.rule.startswith("last-") and step.ground == "text")


def _step(ask: Ask, step: Step) -> str:
    ground = ask.registry.grounds[step.ground]
    return ask.say(f"case-step-{step.rule}", day=step.date, ground=ground.zh if ask.language == "zh" else ground.en)


def _event(ask: Ask, code: str) -> str:
    rule = cases.event_rule(ask.registry.duty(code))
    return rule.event if ask.language == "zh" else rule.event_en


def _said(ask: Ask, opening: Opening) -> dict[str, Any]:
    named = ask.say("case-named", day=opening.named_on) if opening.named_on else ""
    about = [part for part in (opening.document, opening.subject) if part]
    return {"on": opening.event_on, "named": named, "about": ask.say("case-about", parts=about) if about else ""}


def _law(ask: Ask) -> Law:
    return Law(ask.registry, ask.around.workdays)


def _asking(ask: Ask, said: str, key: str, **facts: object) -> Reply:
    return Reply(ask.say(key, **facts), question=_question(ask, said))


def _question(ask: Ask, said: str, command: str = "case") -> Question:
    return ask.question("case", command, rest=said)
