"""Every platform's far ends, by the name of the case: the platform, and the mode where it has several."""

from tests.platforms import apprise, dingtalk, feishu, matrix, slack, webhook, wecom
from tests.platforms.far_end import FarEnds

FAR_ENDS: dict[str, FarEnds] = {
    **wecom.FAR_ENDS,
    **dingtalk.FAR_ENDS,
    **feishu.FAR_ENDS,
    **matrix.FAR_ENDS,
    **slack.FAR_ENDS,
    **webhook.FAR_ENDS,
    **apprise.FAR_ENDS,
}
