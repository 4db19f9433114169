"""`python -m bench.sink`: answers every POST with 200 and a small JSON body. Prints its port."""

import asyncio

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"id": "received"}'
LENGTH = b"content-length:"


class Sink(asyncio.Protocol):
    def __init__(self) -> None:
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            start = head.index(LENGTH) + len(LENGTH)
            whole = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
            if len(self.held) < whole:
                return
            self.held = self.held[whole:]
            self.transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
