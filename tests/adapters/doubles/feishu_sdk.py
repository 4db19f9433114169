"""Feishu's own SDK as a process of its own: its import takes 1.6 s and 170 MB. A line asks, a line answers."""

import asyncio
import importlib
import json
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
sys.stdout, out = sys.stderr, sys.stdout


def parsed(asked: dict[str, Any]) -> dict[str, Any]:
    frame = pb2.Frame()
    frame.ParseFromString(bytes.fromhex(asked["hex"]))
    return {
        "numbers": [frame.SeqID, frame.LogID, frame.service, frame.method],
        "headers": [[header.key, header.value] for header in frame.headers],
        "texts": [frame.payload_encoding, frame.payload_type, frame.LogIDNew],
        "payload": frame.payload.hex(),
    }


def written(asked: dict[str, Any]) -> dict[str, Any]:
    frame = pb2.Frame()
    frame.SeqID, frame.LogID, frame.service, frame.method = asked["numbers"]
    for key, value in asked["headers"]:
        header = frame.headers.add()
        header.key, header.value = key, value
    frame.payload_encoding, frame.payload_type, frame.LogIDNew = asked["texts"]
    frame.payload = bytes.fromhex(asked["payload"])
    return {"hex": frame.SerializeToString().hex()}


def dispatcher(asked: dict[str, Any], seen: list[str]) -> Any:
    def click(_: Any) -> Any:
        seen.append("click")
        return P2CardActionTriggerResponse({})

    builder = lark.EventDispatcherHandler.builder(asked.get("encrypt_key", ""), asked.get("token", ""))
    builder = builder.register_p2_im_message_receive_v1(lambda event: seen.append(event.event.message.message_id))
    return builder.register_p2_card_action_trigger(click).build()


def dispatched(asked: dict[str, Any]) -> dict[str, Any]:
    seen: list[str] = []
    request = RawRequest()
    request.uri, request.body = "/", asked["body"].encode()
    request.headers = {"X-Lark-" + name: value for name, value in asked["headers"].items()}
    response = dispatcher(asked, seen).do(request)
    return {"status": response.status_code, "body": response.content.decode(), "seen": seen}


def decrypted(asked: dict[str, Any]) -> dict[str, Any]:
    return {"text": lark.AESCipher(asked["key"]).decrypt_str(asked["sealed"])}


def legacy(asked: dict[str, Any]) -> dict[str, Any]:
    seen: list[str] = []
    request = RawRequest()
    request.uri, request.body = "/", asked["body"].encode()
    request.headers = {"X-Lark-" + name: value for name, value in asked["headers"].items()}
    handler = (
        lark.CardActionHandler.builder("", asked["token"]).register(lambda card: seen.append(card.open_id)).build()
    )
    return {"status": handler.do(request).status_code, "seen": seen}


def sent(asked: dict[str, Any]) -> dict[str, Any]:
    client = lark.Client.builder().app_id(asked["app_id"]).app_secret(asked["app_secret"]).domain(asked["base"]).build()
    body = (
        im.CreateMessageRequestBody.builder()
        .receive_id(asked["to"])
        .msg_type(asked["type"])
        .content(asked["content"])
        .uuid(asked["uuid"])
        .build()
    )
    answer = client.im.v1.message.create(
        im.CreateMessageRequest.builder().receive_id_type("open_id").request_body(body).build()
    )
    return {"code": answer.code, "message_id": answer.data.message_id if answer.success() else ""}


def listened(asked: dict[str, Any]) -> dict[str, Any]:
    """Connect, take the asked number of events, answer them, leave."""
    seen: list[str] = []
    client = ws.Client(
        asked["app_id"],
        asked["app_secret"],
        event_handler=dispatcher({}, seen),
        domain=asked["base"],
        auto_reconnect=False,
        log_level=lark.LogLevel.CRITICAL,
    )

    async def run() -> None:
        await client._connect()
        while len(seen) < asked["events"]:  # noqa: ASYNC110  the SDK calls back without the loop
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await client._disconnect()
        await asyncio.sleep(0.05)

    ws.loop.run_until_complete(asyncio.wait_for(run(), 10))
    return {"seen": seen}


if __name__ == "__main__":
    lark = importlib.import_module("lark_oapi")
    im = importlib.import_module("lark_oapi.api.im.v1")
    ws = importlib.import_module("lark_oapi.ws.client")
    pb2 = importlib.import_module("lark_oapi.ws.pb.pbbp2_pb2")
    RawRequest = importlib.import_module("lark_oapi.core.model").RawRequest
    P2CardActionTriggerResponse = importlib.import_module(
        "lark_oapi.event.callback.model.p2_card_action_trigger"
    ).P2CardActionTriggerResponse
    lark.logger.setLevel(100)
    known = {one.__name__: one for one in (parsed, written, dispatched, decrypted, legacy, sent, listened)}
    print(json.dumps({"version": lark.core.const.VERSION}), file=out, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(known[question.pop("do")](question)), file=out, flush=True)
