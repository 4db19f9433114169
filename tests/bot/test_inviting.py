"""Who cannot be told yet, and the one-time codes that change it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.base import Incoming
from bot.store import people
from duties.store.database import execute, fetch
from tests.bot.talk import ADMIN, HEAD, OFFICER, STRANGER, SUPERVISOR, WATER, Talk, copied, prepare, talking

CODE = re.compile(r"[2-9A-HJ-NP-Z]{8}")


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("inviting"))


@pytest.fixture
async def talk(morning: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(copied(morning, tmp_path)) as found:
        yield found


async def unbind(code: str) -> None:
    await execute("DELETE FROM identity WHERE person_id = (SELECT id FROM person WHERE code = :code)", code=code)


def code_in(answer: str) -> str:
    found = CODE.search(answer)
    assert found is not None, answer
    return found[0]


async def test_a_head_invites_a_colleague_who_is_then_bound(talk: Talk) -> None:
    await unbind(OFFICER)
    answer = await talk.say(HEAD, f"邀请 {OFFICER}")
    assert "昌吉市城市管理局" in answer
    assert "2026年1月11日" in answer
    assert "绑定成功" in await talk.say(STRANGER, f"绑定 {code_in(answer)}")
    assert "绑定码无效" in await talk.say("another", f"绑定 {code_in(answer)}")
    (row,) = await fetch("SELECT COUNT(*) AS found FROM entry WHERE action = 'invite'")
    assert row["found"] == 1


async def test_a_code_stands_in_no_ledger(talk: Talk) -> None:
    code = code_in(await talk.say(HEAD, f"邀请 {OFFICER}"))
    assert not await fetch("SELECT 1 FROM entry WHERE payload LIKE :code", code=f"%{code}%")


async def test_who_may_invite_whom(talk: Talk) -> None:
    await talk.hold(
        (
            (OFFICER, f"邀请 {HEAD}", "邀请由本单位负责人或管理员发出", "台账号"),
            (HEAD, f"邀请 {WATER}", "本单位没有任职的", "! 绑定码："),
            (HEAD, "邀请 查无此人", "本单位没有任职的"),
            (ADMIN, f"邀请 {WATER}", "绑定码：", "昌吉市水利局"),
            (ADMIN, "邀请 查无此人", "名册里没有任职的"),
            (ADMIN, f"invite {WATER}", "Binding code of"),
            (SUPERVISOR, f"邀请 {WATER}", "邀请由本单位负责人或管理员发出"),
        )
    )


async def test_a_newer_code_takes_the_place_of_the_older(talk: Talk) -> None:
    older, newer = [code_in(await talk.say(HEAD, f"邀请 {OFFICER}")) for _ in range(2)]
    assert "绑定码无效" in await talk.say(STRANGER, f"绑定 {older}")
    assert "绑定成功" in await talk.say(STRANGER, f"绑定 {newer}")


async def test_of_two_with_one_name_the_code_of_the_person_decides(talk: Talk) -> None:
    await execute("UPDATE person SET name = '王敏' WHERE code IN :codes", codes=[OFFICER, WATER])
    await talk.hold(
        (
            (ADMIN, "邀请 王敏", "不止一人", OFFICER, WATER, "! 绑定码："),
            (ADMIN, f"邀请 {WATER}", "绑定码：", "昌吉市水利局"),
            (HEAD, "邀请 王敏", "绑定码：", "昌吉市城市管理局"),
        )
    )


async def test_whom_no_reminder_reaches_is_listed_within_what_one_may_see(talk: Talk) -> None:
    await talk.hold(((ADMIN, "未绑定", "都收得到提醒"),))
    await unbind(OFFICER)
    await unbind(WATER)
    await execute("DELETE FROM post WHERE role = 'head' AND unit_id = (SELECT id FROM unit WHERE code = 'cjs-water')")
    await talk.hold(
        (
            (ADMIN, "未绑定", "2 个单位的 3 个岗位", "昌吉市水利局 负责人（空缺）", "昌吉市城市管理局 经办人"),
            (SUPERVISOR, "未绑定", "2 个单位的 3 个岗位"),
            (HEAD, "未绑定", "1 个单位的 1 个岗位", "! 水利局"),
            (HEAD, "邀请", "1 个单位的 1 个岗位", "例：“邀请 张三”"),
            (ADMIN, "unreached", "3 posts in 2 units"),
        )
    )


async def test_in_a_group_the_code_is_told_to_the_asker_alone(talk: Talk) -> None:
    before = len(talk.adapter.sent)
    asked = Incoming(talk.adapter.connection, "app", "g1", HEAD, f"邀请 {OFFICER}", via="the group", group=True)
    await talk.bot.inbox.receive(asked)
    await talk.bot.step(tick=False)
    public, private = talk.adapter.sent[before:]
    assert (public.via, public.text) == ("the group", "已单独发给您。")
    assert private.via == ""
    assert CODE.search(private.text)


async def test_the_admins_hear_once_of_a_change_whom_no_reminder_reaches(talk: Talk) -> None:
    def news() -> list[str]:
        return [sent.text for sent in talk.told(ADMIN) if "收不到提醒" in sent.text]

    await unbind(OFFICER)
    for hour in ("2026-01-05 10:00", "2026-01-05 12:00", "2026-01-06 10:00"):
        await talk.go_to(hour)
    assert len(news()) == 1
    assert "1 个单位的 1 个岗位" in news()[0]
    await unbind(WATER)
    await talk.go_to("2026-01-07 10:00")
    assert "2 个单位的 2 个岗位" in news()[1]


async def test_an_admin_who_is_bound_later_hears_of_it_then(talk: Talk) -> None:
    (admin,) = await people.person_coded(ADMIN)
    await unbind(OFFICER)
    await unbind(ADMIN)
    await talk.go_to("2026-01-05 10:00")
    await people.bind(admin["id"], talk.adapter.connection, ADMIN, talk.now)
    await talk.go_to("2026-01-05 12:00")
    assert any("收不到提醒" in sent.text for sent in talk.told(ADMIN))
