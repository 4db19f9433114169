"""邀请, 未绑定: who cannot be told yet, and the one-time code that changes it."""

from bot.conversation.ask import Ask, Reply
from bot.store import people, reach
from bot.store.oversight import View
from duties.errors import RefusedError
from duties.ledger import Act, StreamRef
from duties.model import Role
from duties.store import chains

SHOWN = 20
"""Posts in one answer: more do not fit a phone."""


async def unreached(ask: Ask) -> Reply:
    """未绑定: the posts whose holder no reminder reaches, in what the asker may look at."""
    return Reply("\n".join(await _listed(ask, View.of(ask.actor))))


async def _listed(ask: Ask, seen: View) -> list[str]:
    found, units = await reach.unreached_counted(ask.today, seen)
    if not found:
        return [ask.say("unreached-none")]
    rows = await reach.unreached(ask.today, SHOWN, seen)
    lines = [ask.say("unreached-head", n=found, units=units)]
    for row in rows:
        role = ask.say(f"role-{row['role']}")
        key = "unreached-vacant" if row["person"] is None else "unreached-line"
        lines.append(ask.say(key, unit=row["unit"], role=role, name=row["person"] or ""))
    more = [ask.say("list-more", n=found - len(rows))] if found > len(rows) else []
    foot = "unreached-foot" if ask.holds(Role.HEAD, Role.ADMIN) else "unreached-foot-others"
    return [*lines, *more, ask.say(foot)]


async def invite(ask: Ask) -> Reply:
    """邀请: a one-time code for somebody of one's own unit; for anybody, from an admin."""
    everywhere = ask.holds(Role.ADMIN)
    if not (everywhere or ask.holds(Role.HEAD)):
        raise RefusedError("refused-invite", action="invite")
    units = tuple(post.unit_id for post in ask.actor.posts if post.role == Role.HEAD)
    if not ask.words:
        seen = View(everything=everywhere, units=units)
        return Reply("\n".join([*await _listed(ask, seen), ask.say("invite-how")]))
    found = await reach.called(ask.words, None if everywhere else units, ask.today, SHOWN)
    if not found:
        return Reply(ask.say("invite-unknown" if everywhere else "invite-unknown-here", name=ask.words))
    if len({row["person_id"] for row in found}) > 1:
        lines = [ask.say("invite-choice", name=row["name"], unit=row["unit"], code=row["code"]) for row in found]
        return Reply("\n".join([ask.say("invite-several", name=ask.words), *lines]))
    one = found[0]
    code = await people.invite(one["person_id"], ask.at.now)
    payload = {"name": ask.actor.name, "person": one["code"]}
    if not everywhere and (whose := ask.actor.acts_for(one["unit_id"], Role.HEAD)):
        payload["for"] = whose
    act = Act(f"person:{ask.actor.person_id}", "invite", ask.at.channel, payload)
    entry = await chains.append(StreamRef("unit", one["unit_id"]), act, ask.at.now)
    until = (ask.at.now + people.INVITATION_LASTS).date()
    text = ask.say("invite-done", name=one["name"], unit=one["unit"], code=code, until=until, entry=entry)
    return Reply(text, private=True)
