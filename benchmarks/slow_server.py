"""A web server that lets every object wait, and costs next to nothing itself.

python -m benchmarks.slow_server FOLDER SECONDS
"""

import asyncio
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from benchmarks.contenders import ROOT


@contextmanager
def served_photos(folder: Path, wait: float) -> Iterator[tuple[str, ...]]:
    """Serve the photos of a folder; yield the arguments with which `imagebeam label` reads them."""
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.jpg"))
    with running(folder, wait) as address, tempfile.TemporaryDirectory() as listed:
        manifest = Path(listed) / "list.txt"
        manifest.write_text("\n".join(f"{address}/{name}" for name in names))
        yield (str(manifest), "--allow-private-hosts", "--connections-per-host", "64")


@contextmanager
def running(folder: Path, wait: float) -> Iterator[str]:
    """Run the server in a process of its own; yield its address."""
    command = [sys.executable, "-m", "benchmarks.slow_server", str(folder), str(wait)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert isinstance(server.stdout, io.TextIOBase)
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


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
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
