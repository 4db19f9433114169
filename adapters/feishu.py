"""What Feishu's two adapters share: text that stays text, and how an answer's code reads."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from adapters.base import AdapterError, Finding, RetryError
from adapters.http import LONGEST_WAIT, Answer

BASE = "https://open.feishu.cn"
LONGEST_REASON = 120
WORST_CLOCK = 300
MARKUP = re.compile(r"<(?=[/A-Za-z])|\](?=\()|\*(?=\*)|[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
BEARER = re.compile(r"\b(?:[tua]-|eyJ)[\w.~+/-]{8,}", re.ASCII)
HARMLESS = {"<": "＜", "]": "] ", "*": "* "}


def literal(text: str) -> str:
    """Text that Feishu shows as it stands: no `<at …>` or other tag, no `[label](link)`, no `**bold**`."""
    return MARKUP.sub(lambda found: HARMLESS.get(found[0], ""), text)


def code_of(answer: Answer) -> int | None:
    """The body's own code; None where there is none."""
    found = answer.json()
    code = found.get("code", found.get("StatusCode"))
    return code if isinstance(code, int) else None


def succeeded(answer: Answer) -> bool:
    """Both must agree: the HTTP status and the body's code."""
    return answer.status // 100 == 2 and code_of(answer) == 0  # noqa: PLR2004  2xx


def fault(answer: Answer, kinds: Mapping[int, type[AdapterError]], secrets: Iterable[str]) -> AdapterError:
    """What a refusal means. A code that is not in the table is worth another try."""
    code = code_of(answer)
    if code is None:
        return RetryError(f"HTTP {answer.status} without a code")
    reason = f"{code} {_shown(answer, secrets)}".rstrip()
    kind = kinds.get(code, RetryError)
    return RetryError(reason, _wait(answer)) if kind is RetryError else kind(reason)


def clock_findings(answer: Answer, now: datetime) -> list[Finding]:
    """Told only if this clock is far from the platform's, and the platform says its time."""
    try:
        skew = (now - parsedate_to_datetime(answer.headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return []
    return [Finding(False, "check-clock", {"skew": f"{skew:.0f}"})] if abs(skew) > WORST_CLOCK else []


def _shown(answer: Answer, secrets: Iterable[str]) -> str:
    said = answer.json().get("msg")
    text = " ".join(said.split()) if isinstance(said, str) else ""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return BEARER.sub("***", text)[:LONGEST_REASON]


def _wait(answer: Answer) -> float:
    """Seconds until the gateway counts anew; the adapters' own limits are a second wide."""
    try:
        return min(LONGEST_WAIT, max(1.0, float(answer.headers["x-ogw-ratelimit-reset"])))
    except (KeyError, ValueError):
        return 1.0
