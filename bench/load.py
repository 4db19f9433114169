"""`python -m bench.load PORT PATH MESSAGES CONNECTIONS` posts messages as Feishu does; prints seconds and p99.

Sealed and signed here by the platform's documents, not by the code that is measured.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from base64 import b64encode
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

APP, TOKEN, KEY = "cli_bench", "bench-verification-token", "bench-encrypt-key"
TEXT = "完成 42 2026-03-02 已在门户网站公开，并报司法局备案"
BLOCK = algorithms.AES.block_size // 8


def event(name: str, number: int) -> bytes:
    """Somebody's direct message, some 500 bytes."""
    message = {
        "message_id": f"om_{name}_{number}", "chat_type": "p2p", "message_type": "text",
        "content": json.dumps({"text": TEXT}, ensure_ascii=False),
    }  # fmt: skip
    sender = {"sender_id": {"open_id": f"ou_{number % 500}", "user_id": f"u{number % 500}"}, "sender_type": "user"}
    header = {"event_id": f"evt-{number}", "event_type": "im.message.receive_v1", "token": TOKEN, "app_id": APP}
    whole = {"schema": "2.0", "header": header, "event": {"sender": sender, "message": message}}
    return json.dumps(whole, ensure_ascii=False).encode()


def sealed(plain: bytes) -> str:
    """AES-256-CBC under the SHA-256 of the key, the vector in front."""
    vector, padder = os.urandom(BLOCK), PKCS7(algorithms.AES.block_size).padder()
    cipher = Cipher(algorithms.AES(hashlib.sha256(KEY.encode()).digest()), modes.CBC(vector)).encryptor()
    return b64encode(vector + cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()).decode()


def request(path: str, name: str, number: int) -> bytes:
    body = json.dumps({"encrypt": sealed(event(name, number))}).encode()
    timestamp, nonce = str(int(time.time())), f"n{number}"
    signature = hashlib.sha256(f"{timestamp}{nonce}{KEY}".encode() + body).hexdigest()
    lines = (
        f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}",
        f"X-Lark-Request-Timestamp: {timestamp}", f"X-Lark-Request-Nonce: {nonce}", f"X-Lark-Signature: {signature}",
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode() + body


class Client(asyncio.Protocol):
    """One connection: the next request as soon as the last is answered."""

    def __init__(self, waiting: Iterator[bytes], took: list[float]) -> None:
        self.waiting = waiting
        self.took = took
        self.held = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, end, body = self.held.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        self.took.append(time.perf_counter() - self.began)
        self.held = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def _next(self) -> None:
        one = next(self.waiting, None)
        if one is None:
            self.done.set_result(None)
            self.transport.close()
            return
        self.began = time.perf_counter()
        self.transport.write(one)


async def main(port: int, path: str, messages: int, connections: int) -> None:
    name = os.urandom(4).hex()
    waiting = iter([request(path, name, number) for number in range(messages)])
    took: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(waiting, took), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    print(time.perf_counter() - began, sorted(took)[int(len(took) * 0.99)])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
