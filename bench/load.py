"""`python -m bench.load PORT PATH MESSAGES CONNECTIONS`: posts signed messages. Prints seconds and p99."""

import asyncio
import hashlib
import hmac
import json
import sys
import time

KEY = b"bench"
TEXT = "完成 昌政办发〔2026〕12号 2026-03-02 已在门户网站公开，并报同级司法行政部门备案。" * 3


def request(path: str, number: int) -> bytes:
    body = json.dumps({"id": f"{path}-{number}", "from": f"person-{number % 500}", "text": TEXT}).encode()
    signature = hmac.new(KEY, body, hashlib.sha256).hexdigest()
    head = f"POST /{path} HTTP/1.1\r\nHost: bench\r\nX-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def main(port: int, path: str, messages: int, connections: int) -> None:
    waiting = iter([request(path, number) for number in range(messages)])
    took: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for one in waiting:
            began = time.perf_counter()
            writer.write(one)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            await reader.readexactly(int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
            took.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    print(time.perf_counter() - began, sorted(took)[int(len(took) * 0.99)])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
