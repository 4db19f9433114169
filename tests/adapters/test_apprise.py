import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters import apprise as ours
from adapters.apprise import ADDRESS, AppriseAdapter, AppriseConfig, neutral
from adapters.base import Button, ConfigurationError, Outgoing, RecipientError, RetryError
from tests.adapters.doubles.apprise import PASSWORD, Gateway, installed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class NoState:
    """Nothing may be remembered."""

    async def get(self, key: str) -> str:
        raise AssertionError(key)

    async def put(self, key: str, value: str) -> None:
        raise AssertionError((key, value))


@pytest.fixture
async def far() -> AsyncIterator[Gateway]:
    installed()
    async with Gateway() as gateway:
        yield gateway


def config(url: str, **more: Any) -> AppriseConfig:
    return AppriseConfig.model_validate({"name": "mail", "platform": "apprise", "url": url, **more})


def adapter(url: str, **more: Any) -> AppriseAdapter:
    return AppriseAdapter(config(url, **more), NoState(), lambda: NOON)


def message(text: str = "年度报告 1 月 31 日到期", address: str = "") -> Outgoing:
    return Outgoing("42", address, text, (Button("签收", "ack:1"),))


async def test_the_text_goes_out_with_the_title(far: Gateway) -> None:
    mail = adapter(f"{far.url}/x", title="督办提醒")
    assert await mail.send(message()) == "42"
    await mail.close()
    ((path, said),) = far.taken
    assert (path, said["title"]) == ("/x", "督办提醒")
    assert said["message"] == "年度报告 1 月 31 日到期"


async def test_the_address_takes_its_place_in_the_url(far: Gateway) -> None:
    mail = adapter(f"{far.url}/to/{{address}}")
    for address in ("13800000000", "zhang.san@fire.example.cn", "+8613800000000"):
        await mail.send(message(address=address))
    assert [path for path, _ in far.taken] == [
        "/to/13800000000", "/to/zhang.san@fire.example.cn", "/to/+8613800000000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address", ["", "a b", "a,b", "a;b", "a/b", "a?to=c", "a&b", "a%2Cb", "-\n", "督办", "x" * 129]
)
async def test_what_could_be_more_than_one_recipient_is_refused(far: Gateway, address: str) -> None:
    with pytest.raises(RecipientError):
        await adapter(f"{far.url}/to/{{address}}").send(message(address=address))
    assert far.taken == []


async def test_an_address_the_service_cannot_take_concerns_that_recipient_only(far: Gateway) -> None:
    mail = adapter("twilio://AC00000000000000000000000000000000:0000000000000000@15551234567/{address}?from=bad#")
    with pytest.raises((RecipientError, RetryError)):
        await mail.send(message(address="nobody"))


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
async def test_a_refusal_is_a_failure_whatever_it_is(far: Gateway, status: int) -> None:
    far.statuses.append(status)
    with pytest.raises(RetryError, match=str(status)):
        await adapter(far.url).send(message())
    assert far.taken == []


async def test_nobody_there_is_a_failure() -> None:
    installed()
    with pytest.raises(RetryError, match="FAILURE"):
        await adapter("json://127.0.0.1:9/x").send(message())


async def test_every_outcome_but_success_is_a_failure(far: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module("apprise")
    for status in library.AppriseResultStatus:

        async def pretend(*_: Any, status: Any = status, **__: Any) -> Any:
            return SimpleNamespace(status=status, logs=lambda: iter(()))

        monkeypatch.setattr(library.Apprise, "async_notify", pretend)
        if status == library.AppriseResultStatus.SUCCESS:
            assert await adapter(far.url).send(message()) == "42"
            continue
        with pytest.raises(RetryError, match=status.name):
            await adapter(far.url).send(message())


async def test_a_service_that_takes_less_gets_the_text_in_parts(far: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module("apprise")
    monkeypatch.setattr(library.NotificationManager()["json"], "body_maxlen", 100)
    await adapter(far.url).send(message("督办" * 120))
    assert len(far.taken) > 2
    assert "".join(said["message"] for _, said in far.taken) == "督办" * 120


async def test_text_is_never_a_template_nor_an_escape(far: Gateway) -> None:
    said = "{{name}} ${HOME} \\n {address} :smile:"
    await adapter(far.url).send(message(said))
    assert far.taken[0][1]["message"] == said


@pytest.mark.parametrize("said", ["@everyone", "@here 开会", "<!channel>", "<@U1>", "<b>粗</b>", "(@all)", "，@所有人"])
def test_text_of_users_mentions_nobody_and_is_no_markup(said: str) -> None:
    assert not set("@<>") & set(neutral(said))


def test_mail_addresses_stay() -> None:
    assert neutral("写信到 a.b@c.gov.cn\x00") == "写信到 a.b@c.gov.cn"


@given(st.text(max_size=140))
def test_no_address_can_part_or_end_a_url(address: str) -> None:
    assert not (ADDRESS.fullmatch(address) and set(address) & set(" ,;/?&%|\\\"'<>\n"))


async def test_many_at_once_do_not_wait_for_each_other(far: Gateway) -> None:
    mail = adapter(far.url)
    async with asyncio.timeout(5):  # one service would rest 5.5 seconds between two messages
        await asyncio.gather(*(mail.send(message()) for _ in range(4)))
    assert len(far.taken) == 4


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What reaches the log of an application that logs everything. (pytest's own also hears what goes nowhere.)"""
    root, into = logging.getLogger(), StringIO()
    handler, level = logging.StreamHandler(into), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield into
    root.setLevel(level)
    root.removeHandler(handler)


async def test_no_secret_is_in_errors_or_logs_or_shown(far: Gateway, logged: StringIO) -> None:
    far.statuses += [401, 301]
    url = f"{far.url}/{{address}}?+X-Token={PASSWORD}"
    mail = adapter(url)
    shown = [repr(mail), repr(mail._config), mail._config.model_dump_json(), str(await mail.check())]
    for _ in range(2):
        with pytest.raises(RetryError) as caught:
            await mail.send(message(address="zhang"))
        shown.append(repr(caught.value))
    with pytest.raises(ConfigurationError) as wrong:
        adapter(f"nosuch://{PASSWORD}@x")
    with pytest.raises(ConfigurationError) as broken:
        adapter(f"mailto://{PASSWORD}")
    with pytest.raises(ValidationError) as refused:
        config(f"{PASSWORD} x")
    shown += [str(wrong.value), str(broken.value), str(refused.value)]
    assert PASSWORD not in "\n".join([*shown, logged.getvalue()])


async def test_who_listens_to_its_own_loggers_hears_no_answers(far: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    mail = adapter(far.url)
    far.statuses.append(502)
    into = logging.getLogger("apprise")
    into.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG), pytest.raises(RetryError):
        await mail.send(message())
    into.removeHandler(caplog.handler)
    assert "502" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("url", "key"), [("json://h.cn/x", "check-apprise-fixed"), ("json://h.cn/{address}", "check-apprise-addressed")]
)
async def test_a_check_sends_nothing_and_says_that_it_proves_little(url: str, key: str) -> None:
    installed()
    found = await adapter(url).check()
    assert [(one.ok, one.key) for one in found] == [(True, key), (True, "check-unconfirmed")]
    assert found[0].facts == {"service": "JSON"}


@pytest.mark.parametrize("more", [{"base_url": "https://x.cn"}, {"allow_private": True}, {"ca_file": "/x"}])
def test_keys_without_a_meaning_here_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="mean nothing"):
        config("json://h.cn", **more)


def test_without_apprise_the_connection_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MODULE", "apprise_that_is_not_there")
    with pytest.raises(ConfigurationError, match="not installed"):
        adapter("json://h.cn")


def test_it_says_what_it_cannot() -> None:
    flags = ("can_button", "can_update", "can_mention", "receives", "listens")
    assert not any(getattr(AppriseAdapter, flag) for flag in flags)
