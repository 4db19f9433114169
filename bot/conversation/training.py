"""学时: hours of training of the unit's officers, recorded, reversed, and who is behind."""

from collections.abc import Sequence
from datetime import date

from bot.conversation.ask import Ask, Reply
from bot.conversation.telling import echo
from bot.wording.grammar import ATTENDED, LIST_NUMBER, LONGEST_TOPIC, DayError, first_day, is_courtesy, is_question
from bot.wording.orders import TAKE_BACK, Named, read_hours, read_names, read_taken_back
from duties import obligations, training
from duties.errors import RefusedError
from duties.model import OPEN_STATES, Evidence, Obligation, State
from duties.officers import MOST, Due, Officer, Trained, halves, named_alike
from duties.store import officer_rows, reading
from duties.store.officer_rows import Record
from duties.training import Lesson, Reached

LISTED = 12
"""Lines of a table: more do not fit a phone."""
NAMED = 6
CHOICES = 9


async def hours(ask: Ask) -> Reply:
    """学时: whose, how many, when, of what; 冲销 takes hours back; without words, who is how far."""
    if not ask.units:
        raise RefusedError("refused-holders", action="hours")
    ever = await officer_rows.ever(ask.units)
    said = _said(ask, ever)
    if isinstance(said, Reply):
        return said
    if ever and (taken_back := read_taken_back(said)) is not None:
        return await _reversed(ask, ever, *taken_back)
    officers = [one for one in ever if one.listed(ask.today)]
    if not officers:
        return Reply(ask.say("hours-no-officers"))
    return await _recorded(ask, officers, said) if said else await _table(ask)


def _said(ask: Ask, officers: Sequence[Officer]) -> str | Reply:
    """What was said with what an open question already held; a number among choices stands for what it names."""
    if not ask.asked:
        return ask.words
    words = "" if is_courtesy(ask.words) or is_question(ask.words) else ask.words
    if ask.named and (chosen := LIST_NUMBER.match(words)):
        place = int(chosen[1])
        if not 0 < place <= len(ask.named):
            again = ask.question("training", "hours", *ask.named, rest=ask.before)
            return Reply(ask.say("choose-again", n=len(ask.named)), question=again)
        number = ask.named[place - 1]
        if ask.before in TAKE_BACK.values():
            return f"{ask.before} #{number}"
        meant = next((one for one in officers if one.id == number), None)
        return ask.before.replace(meant.name, meant.certificate, 1) if meant else ask.before
    whom = read_hours(ask.before, _names(officers)).whom
    first = (words, ask.before) if not (whom.names or whom.everybody) else (ask.before, words)
    taken_back = read_taken_back(ask.before) is not None
    return " ".join((ask.before, words) if taken_back else first).strip()


def _names(officers: Sequence[Officer]) -> set[str]:
    return {word for one in officers for word in (one.name, one.certificate)}


async def _recorded(ask: Ask, officers: Sequence[Officer], words: str) -> Reply:
    try:
        day, rest = first_day(words, ask.today)
    except DayError as error:
        return _asking(ask, "", "no-such-day", text=error)
    said = read_hours(rest, _names(officers))
    whom = await _meant(ask, officers, said.whom, words)
    if isinstance(whom, Reply):
        return whom
    topic = "" if is_courtesy(said.topic) else said.topic[:LONGEST_TOPIC]
    parts = (("who", whom), ("amount", said.hours is not None), ("topic", topic))
    if missing := [ask.say(f"hours-part-{part}") for part, there in parts if not there]:
        return _asking(ask, words, "hours-wanted", missing=missing)
    assert said.hours is not None
    amount = halves(said.hours)
    if amount is None:
        raise RefusedError("refused-hours", most=MOST // 2)
    lesson = Lesson(day or ask.today, topic, amount)
    due = await _due(ask, lesson.on)
    texts: list[Reply] = []
    for one in due:
        mine = [officer for officer in whom if officer.unit_id == one.unit_id]
        if mine:
            texts.append(await _record(ask, one, mine, lesson, everybody=said.whom.everybody))
    return _joined(ask, texts)


async def _record(ask: Ask, due: Due, whom: Sequence[Officer], lesson: Lesson, *, everybody: bool) -> Reply:
    done = await training.record(ask.actor, due.obligation, whom, lesson, ask.registry, ask.at)
    who = ask.say("hours-everybody", n=len(whom)) if everybody else _shown(ask, [one.name for one in whom])
    facts = await _facts(ask, done.obligation)
    met = done.obligation.state == State.REPORTED
    notes = [ask.say("hours-met")] if met else []
    return await echo(
        ask, "hours-done", [done], notes, who=who, hours=_written(lesson.halves), day=lesson.on, topic=lesson.topic,
        **facts,
    )  # fmt: skip


def _joined(ask: Ask, replies: Sequence[Reply]) -> Reply:
    """One answer of several: somebody may answer for two units."""
    if not replies:
        return Reply(ask.say("hours-none-owed"))
    return Reply("\n".join(one.text for one in replies), about=tuple(number for one in replies for number in one.about))


async def _due(ask: Ask, on: date) -> list[Due]:
    """The obligations a day counts for; a day that counts for none is refused."""
    if on > ask.today:
        raise RefusedError("refused-future", day=on)
    owed = await officer_rows.due_hours(tuple(training.full_hours(ask.registry)), ask.today, ask.units)
    found = [one for one in owed if one.opens <= on <= one.due]
    if owed and not found:
        raise RefusedError("refused-outside-term", day=on, opens=owed[0].opens, due=owed[0].due)
    return found


async def _meant(ask: Ask, officers: Sequence[Officer], named: Named, words: str) -> list[Officer] | Reply:
    """The officers named; a name that several have is asked about, one that nobody has is refused."""
    if named.unknown:
        unit = await officer_rows.elsewhere(named.unknown, ask.today)
        if unit:
            raise RefusedError("refused-not-your-officer", name=named.unknown, unit=unit)
        known = _shown(ask, [one.name for one in officers])
        raise RefusedError("refused-no-such-officer", name=named.unknown, known=known)
    if named.everybody:
        return list(officers)
    alike = named_alike(officers)
    for name in named.names:
        if name in alike:
            return _which(ask, [one for one in officers if one.name == name], words)
    return [one for one in officers if one.name in named.names or one.certificate in named.names]


def _which(ask: Ask, officers: Sequence[Officer], words: str) -> Reply:
    shown = officers[:CHOICES]
    lines = [
        ask.say("hours-choice", number=number, name=one.name, certificate=one.certificate)
        for number, one in enumerate(shown, 1)
    ]
    head = ask.say("hours-which", name=shown[0].name, n=len(officers))
    question = ask.question("training", "hours", *(one.id for one in shown), rest=words)
    return Reply("\n".join([head, *lines, ask.say("choose-foot")]), question=question)


def _asking(ask: Ask, rest: str, key: str, **facts: object) -> Reply:
    return Reply(ask.say(key, **facts), question=ask.question("training", "hours", rest=rest))


async def _reversed(ask: Ask, ever: Sequence[Officer], number: int | None, words: str) -> Reply:
    """Hours are taken back of those listed today, and of who has left, as long as they served."""
    found = await _records(ask, ever, number, words)
    if isinstance(found, Reply):
        return found
    texts = []
    for one in await _due(ask, found[0].on):
        mine = [record for record in found if _unit_of(ask, ever, record) == one.unit_id]
        mine.sort(key=lambda record: record.id)
        if mine:
            texts.append(await _reverse(ask, one, mine))
    return _joined(ask, texts)


def _unit_of(ask: Ask, ever: Sequence[Officer], record: Record) -> int | None:
    """The unit that answers for hours: where their officer is today, else was then; None if neither was the asker's."""
    rows = [one for one in ever if one.person == record.person]
    return next((one.unit_id for day in (ask.today, record.on) for one in rows if one.listed(day)), None)


async def _records(ask: Ask, ever: Sequence[Officer], number: int | None, words: str) -> list[Record] | Reply:
    """The hours to take back: by their number, or by name and day; where that leaves a choice, it is given."""
    rows = sorted(ever, key=lambda one: (one.listed(ask.today), one.id))
    officers = list({one.person: one for one in rows}.values())
    if number is not None:
        found = await _had(ask, ever, officers)
        chosen = [one for one in found if one.id == number]
        if not chosen:
            raise RefusedError("refused-no-such-hours", number=number)
        return chosen
    back = TAKE_BACK[ask.language]
    try:
        day, rest = first_day(words, ask.today)
    except DayError as error:
        return _asking(ask, "", "no-such-day", text=error)
    named = read_names(rest, _names(officers))
    whom = await _meant(ask, officers, named, f"{back} {words}")
    if isinstance(whom, Reply):
        return whom
    if not whom:
        return _asking(ask, back, "hours-reverse-wanted")
    found = await _had(ask, ever, whom, day)
    found = [one for one in found if not named.rest or one.topic == named.rest]
    if not found:
        raise RefusedError("refused-no-hours", who=_shown(ask, [one.name for one in whom]))
    if day is None or len({one.person for one in found}) < len(found):
        return _which_record(ask, found, back)
    return found


async def _had(ask: Ask, ever: Sequence[Officer], whom: Sequence[Officer], day: date | None = None) -> list[Record]:
    """The hours of some officers that the asker's units answer for."""
    people, duties = [one.person for one in whom], tuple(training.full_hours(ask.registry))
    found = await officer_rows.records(people, duties, day)
    return [one for one in found if _unit_of(ask, ever, one) is not None]


def _which_record(ask: Ask, found: Sequence[Record], back: str) -> Reply:
    shown = found[:CHOICES]
    lines = [ask.say("hours-record", number=number, **_record_facts(one)) for number, one in enumerate(shown, 1)]
    head = ask.say("hours-which-record", n=len(found))
    question = ask.question("training", "hours", *(one.id for one in shown), rest=back)
    return Reply("\n".join([head, *lines, ask.say("choose-foot")]), question=question)


def _record_facts(one: Record) -> dict[str, object]:
    return {"name": one.name, "day": one.on, "topic": one.topic, "hours": _written(one.halves), "id": one.id}


async def _reverse(ask: Ask, due: Due, gone: Sequence[Record]) -> Reply:
    before = await reading.obligation(due.obligation)
    done = await training.reverse(ask.actor, due.obligation, gone, ask.registry, ask.at)
    was = before is not None and before.state == State.REPORTED
    notes = [ask.say("hours-short-again")] if was and done.obligation.state in OPEN_STATES else []
    who = _shown(ask, [one.name for one in gone])
    first = gone[0]
    return await echo(
        ask, "hours-reversed", [done], notes, who=who, day=first.on, topic=first.topic, hours=_written(first.halves),
        **await _facts(ask, done.obligation),
    )  # fmt: skip


async def _facts(ask: Ask, one: Obligation) -> dict[str, object]:
    count = Reached.of(await training.standing(one, ask.registry, ask.today))
    return {"reached": count.reached, "officers": count.officers}


async def _table(ask: Ask) -> Reply:
    """Of every unit of the asker's, how many have reached it, then who is behind by how much."""
    owed = await officer_rows.due_hours(tuple(training.full_hours(ask.registry)), ask.today, ask.units)
    newest = {one.unit_id: one for one in reversed(owed)}
    lines: list[str] = []
    for due in newest.values():
        one = await reading.obligation(due.obligation)
        assert one is not None
        lines += table(ask, one, await training.standing(one, ask.registry, ask.today))
    if not lines:
        return Reply(ask.say("hours-none-owed"))
    return Reply("\n".join([*lines, ask.say("hours-foot")]), about=tuple(one.obligation for one in newest.values()))


def table(ask: Ask, one: Obligation, trained: Sequence[Trained]) -> list[str]:
    """How many have reached it, then who is behind, the least trained first."""
    if not trained:
        return [ask.say("hours-attested", **ask.facts(one))]
    count = Reached.of(trained)
    behind = sorted((each for each in trained if not each.reached), key=lambda each: each.halves - 2 * each.need)
    alike = named_alike([each.officer for each in trained])
    lines = [ask.say("hours-head", reached=count.reached, officers=count.officers, target=one.target, **ask.facts(one))]
    lines += [
        ask.say(
            "hours-line", number=number, had=_written(each.halves), need=each.need,
            missing=_written(2 * each.need - each.halves),
            name=f"{each.officer.name} {each.officer.certificate}" if each.officer.name in alike else each.officer.name,
        )
        for number, each in enumerate(behind[:LISTED], 1)
    ]  # fmt: skip
    more = [ask.say("hours-more", n=len(behind) - LISTED)] if len(behind) > LISTED else []
    return [*lines, *more]


async def measured(ask: Ask, one: Obligation) -> bool:
    """Whether an obligation is measured by its unit's officers."""
    return bool(await training.standing(one, ask.registry, ask.today))


async def instead(ask: Ask, one: Obligation, words: str) -> Reply:
    """完成 or 计数 of what officers measure: hours are recorded, what is complete is reported, else who is behind."""
    if ATTENDED.search(words):
        await training.may_attest(one, ask.today)
    officers = [each.officer for each in await training.standing(one, ask.registry, ask.today)]
    if read_hours(words, _names(officers)).hours is not None:
        return await _recorded(ask, officers, words)
    trained = await training.standing(one, ask.registry, ask.today)
    if one.state in OPEN_STATES and all(each.reached for each in trained):
        last = max((each.last for each in trained if each.last), default=None)
        done = await obligations.report(ask.actor, one.id, Evidence(done_on=last, note=words), ask.at)
        return await echo(ask, "echo-report", [done])
    return Reply("\n".join([*table(ask, one, trained), ask.say("hours-foot")]), about=(one.id,))


def _shown(ask: Ask, names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    shown = ask.say("hours-names", names=names[:NAMED])
    return shown if len(names) <= NAMED else ask.say("hours-names-more", names=names[:NAMED], n=len(names))


def _written(amount: int) -> str:
    return f"{amount / 2:g}"
