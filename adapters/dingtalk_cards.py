"""DingTalk's two cards with buttons: a template from the card builder, and StandardCard, which needs none.

Documents: open.dingtalk.com create-and-deliver-cards, instructions-for-filling-in-api-card-data,
robots-send-interactive-cards.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from adapters.base import Button, Outgoing, RecipientError, RetryError
from adapters.dingtalk_events import dumps, object_of
from adapters.dingtalk_robot import neutral, short

TEMPLATE, STANDARD = "tpl-", "std-"
"""How the id of a card begins, so that an update knows the call it needs."""

COLORS: Mapping[str, str] = {"primary": "blue", "plain": "gray", "danger": "red"}
STATUSES: Mapping[str, str] = {"primary": "primary", "plain": "normal", "danger": "warning"}
LONGEST_TITLE, MOST_BUTTONS, LONGEST_LABEL, LONGEST_VALUE = 64, 10, 40, 128
"""What keeps a card within a message's bytes; buttons that do not fit are left out, the text says what to type."""

_URL = re.compile(r"https?://[^\s<>\[\]()*`|\\]+")
_MARKUP = str.maketrans("\\`*_#[]<>|~", "＼｀＊＿＃［］＜＞｜～")
_WIDE_RULE = str.maketrans("-=+", "－＝＋")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_RULE = re.compile(r"^[-=+ ]+$", re.MULTILINE)


def card_id(kind: str, connection: str, target: str, message: Outgoing) -> str:
    """The same at every attempt of this message, and of no other one, even in a new database."""
    facts = [connection, message.key, target, message.text, *(button.value for button in message.buttons)]
    return f"{kind}{message.key[:32]}-{hashlib.sha256(dumps(facts).encode('utf-8', 'replace')).hexdigest()[:24]}"


def flat(text: str) -> str:
    """Text that is no markup on a card: its signs become full-width, save in bare links; lines stay lines."""
    calm = _INDENT.sub(lambda found: "\u00a0" * len(found.group()), neutral(text))
    calm = _RULE.sub(lambda found: found.group().translate(_WIDE_RULE), calm)
    parts, end = [], 0
    for link in _URL.finditer(calm):
        parts += [calm[end : link.start()].translate(_MARKUP), link.group()]
        end = link.end()
    return "".join([*parts, calm[end:].translate(_MARKUP)]).replace("\n", "  \n")


def template_data(message: Outgoing) -> dict[str, Any]:
    """What a template's variables say; every value is a string, a list of buttons is one in JSON."""
    title, _ = _headed(message.text)
    buttons = [_template_button(number, button) for number, button in enumerate(_fitting(message), 1)]
    return {"cardParamMap": {"title": title, "text": flat(message.text), "btns": dumps(buttons)}}


def _template_button(number: int, button: Button) -> dict[str, Any]:
    press = {"actionId": f"b{number}", "params": {"value": button.value}}
    return {
        "text": neutral(button.label),
        "color": COLORS.get(button.style, "gray"),
        "status": "normal",
        "event": {"type": "sendCardRequest", "params": press},
    }


def standard_data(message: Outgoing) -> dict[str, Any]:
    """A StandardCard: the first line is its header. A button's id is what it sends back."""
    title, rest = _headed(message.text)
    actions = [
        {
            "type": "button",
            "id": button.value,
            "actionType": "request",
            "status": STATUSES.get(button.style, "normal"),
            "label": {"type": "text", "text": neutral(button.label), "id": f"l{number}"},
        }
        for number, button in enumerate(_fitting(message), 1)
    ]
    contents: list[dict[str, Any]] = [{"type": "markdown", "text": flat(rest), "id": "t1"}]
    if actions:
        contents.append({"type": "action", "id": "a1", "actions": actions})
    header = {"title": {"type": "text", "text": title}}
    return {"config": {"autoLayout": True, "enableForward": False}, "header": header, "contents": contents}


def _headed(text: str) -> tuple[str, str]:
    """A header and what stands below it: the lines after the first, or all where the first is too long or alone."""
    title, _, rest = neutral(text).partition("\n")
    return title[:LONGEST_TITLE], rest if rest and len(title) <= LONGEST_TITLE else text


def _fitting(message: Outgoing) -> list[Button]:
    """The buttons a card can carry."""
    fit = [one for one in message.buttons if len(one.label) <= LONGEST_LABEL and len(one.value) <= LONGEST_VALUE]
    return fit[:MOST_BUTTONS]


def succeeded(answer: dict[str, Any]) -> dict[str, Any]:
    """Let a card call's answer through if its body says that it succeeded."""
    if answer.get("success") not in (True, "true"):
        raise RetryError(f"no success: {short(answer.get('message', ''))}")
    return answer


def delivered(answer: Mapping[str, Any]) -> None:
    """Whether every place a card was to appear at has it. Raises RecipientError."""
    outcomes = object_of(answer.get("result")).get("deliverResults")
    for outcome in outcomes if isinstance(outcomes, list) else []:
        if isinstance(outcome, dict) and outcome.get("success") is not True:
            raise RecipientError(f"the card was not delivered: {short(outcome.get('errorMsg', ''))}")
