"""What people are shown on each platform: whole, in its measure, with every button that it can carry.

The doubles refuse what the platforms refuse (bytes, cards, the webhook's schema); here it is seen that nothing is lost.
"""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.base import Button, Outgoing
from bot.wording.split import split
from tests.bot.talk import OFFICER, SUPERVISOR, Talk, copied, prepare, talking
from tests.platforms.table import FAR_ENDS
from tests.platforms.test_contract import case

Message = tuple[str, tuple[Button, ...]]
WIDE = str.maketrans("＃［］＜＞＊＿～｜－＝＋\u00a0", "#[]<>*_~|-=+ ")
"""As DingTalk's and WeCom's Markdown shows the signs that would be markup."""


@pytest.fixture(scope="session")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    """The wave that reminds an officer, what a supervisor is told is overdue, and the check before a case is opened."""
    folder = tmp_path_factory.mktemp("messages")
    return asyncio.run(_said(copied(prepare(folder), folder)))


async def _said(url: str) -> dict[str, Message]:
    async with talking(url) as talk:
        wave = _last(talk, OFFICER)
        await talk.go_to("2026-02-05 10:00")
        await talk.says(SUPERVISOR, "逾期")
        overdue = _last(talk, SUPERVISOR)
        await talk.says(SUPERVISOR, "立案 意见书 昌吉市城市管理局 2月3日收到")
        return {"wave": wave, "overdue": overdue, "case": _last(talk, SUPERVISOR)}


def _last(talk: Talk, who: str) -> Message:
    said = talk.told(who)[-1]
    return said.text, said.buttons


@pytest.mark.parametrize("name", sorted(FAR_ENDS))
@pytest.mark.parametrize("kind", ["wave", "overdue", "case"])
async def test_a_message_is_shown_whole(messages: dict[str, Message], name: str, kind: str) -> None:
    text, buttons = messages[kind]
    async with case(name) as one:
        parts = split(text, one.adapter.max_bytes)
        for number, part in enumerate(parts, 1):
            carried = buttons if one.adapter.can_button and number == len(parts) else ()
            await one.adapter.send(Outgoing(f"7-{number}", one.far.user, part, carried))
        shown = one.far.shown()
    assert all(len(part.encode()) <= one.adapter.max_bytes for part in parts)
    seen = "\n".join(message.text for message in shown).translate(WIDE)
    assert _missing(text.translate(WIDE), seen) == []
    wanted = [button.label for button in buttons] if one.adapter.can_button else []
    assert [label for message in shown for label in message.buttons] == wanted


def _missing(text: str, seen: str) -> Sequence[str]:
    """The lines that are not shown; how far they are indented is the platform's."""
    return [line for line in text.splitlines() if line.strip() not in seen]


def test_they_are_what_they_are_called(messages: dict[str, Message]) -> None:
    begun = {kind: text[:4] for kind, (text, _) in messages.items()}
    assert begun == {"wave": "【提醒】", "overdue": "截至 2", "case": "请核对："}
    assert [len(buttons) for _, buttons in messages.values()] == [3, 1, 0]
