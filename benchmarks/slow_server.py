"""A web server that lets every object wait, and costs next to nothing itself.

python -m benchmarks.slow_server FOLDER SECONDS
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import unquote


async def serve(folder: Path, wait: float) -> None:
    """Print the address, then serve the files of a folder."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(wait)
                name = unquote(head.split(b" ", 2)[1].decode()).lstrip("/")
                body = (folder / name).read_bytes()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
