"""A TCP proxy between a server and its PostgreSQL that does what networks do: cuts, delays, swallows.
It follows the messages of PostgreSQL's protocol, so that it can cut at a COMMIT."""
import asyncio
import re
import socket
import struct
import threading
import urllib.parse

from harness.ports import free_port

CALL_SECONDS = 10
CHUNK_BYTES = 65536
BACKLOG = 256
# Codes of start-up packets that are answered by one byte, and no message: SSL and GSSAPI requests.
ENCRYPTION_REQUESTS = (80877103, 80877104)


class Frames:
    """Cuts a stream into the messages of PostgreSQL's protocol, as (type, content, bytes)."""

    def __init__(self, typed: bool):
        self.typed = typed  # a client's first packet has no type
        self.buffer = b""

    def feed(self, data: bytes):
        self.buffer += data
        while True:
            kind = self.buffer[:1] if self.typed else b""
            at = len(kind)
            if len(self.buffer) < at + 4:
                return
            (length,) = struct.unpack_from("!I", self.buffer, at)
            if len(self.buffer) < at + length:
                return
            message, self.buffer = self.buffer[:at + length], self.buffer[at + length:]
            yield kind, message[at + 4:], message


class Statements:
    """What a client executes, told from its messages: SQL texts by the names they were given."""

    def __init__(self):
        self.prepared = {}
        self.portals = {}

    def executed(self, kind: bytes, content: bytes) -> str | None:
        """The text that this message executes."""
        if kind == b"Q":
            return content.rstrip(b"\0").decode()
        if kind == b"P":
            name, text = content.split(b"\0")[:2]
            self.prepared[name] = text.decode()
        elif kind == b"B":
            portal, name = content.split(b"\0")[:2]
            self.portals[portal] = self.prepared.get(name, "")
        elif kind == b"E":
            return self.portals.get(content.split(b"\0")[0], "")
        return None


async def _end(*tasks) -> None:
    """Before their sockets are closed, whose numbers the next ones get."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Link:
    """One connection through the proxy, and what is known of its transaction."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket):
        self.proxy = proxy
        self.client = client
        self.server = server
        self.from_client = Frames(typed=False)
        self.from_server = Frames(typed=True)
        self.encryption_asked = False
        self.statements = Statements()
        self.texts = []  # since the last COMMIT or ROLLBACK
        self.withholding = False  # the COMMIT's answer is awaited, and will not be passed on
        self.cut = asyncio.Event()
        self.cut_at_commit = False
        self.ended = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        """Until one end closes, or it is cut: then both are reset, whatever is on its way."""
        tasks = [
            asyncio.ensure_future(self._pump(self.client, self.server, self._take_from_client)),
            asyncio.ensure_future(self._pump(self.server, self.client, self._take_from_server)),
            asyncio.ensure_future(self.cut.wait()),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await _end(*tasks)
        for each in (self.client, self.server):
            if self.cut.is_set():
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        self.proxy.links.remove(self)
        if self.cut_at_commit:
            self.proxy.note_cut()

    async def _pump(self, source, target, take) -> None:
        """Passes on what comes, each piece `delay` after it came."""
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue()

        async def read() -> None:
            data = b"more"
            while data:
                try:
                    data = await loop.sock_recv(source, CHUNK_BYTES)
                except OSError:
                    data = b""
                pieces.put_nowait((loop.time() + self.proxy.delay_seconds, data))

        reader = asyncio.ensure_future(read())
        try:
            while True:
                due, data = await pieces.get()
                await asyncio.sleep(due - loop.time())
                await self.proxy.flowing.wait()
                if not data:
                    return
                out, self.cut_at_commit = take(data)
                await loop.sock_sendall(target, out)
                if self.cut_at_commit:
                    self.cut.set()
                    return
        except OSError:
            return  # the other end is gone
        finally:
            await _end(reader)

    def _take_from_client(self, data: bytes) -> tuple[bytes, bool]:
        """What of it goes on, and whether the connection is cut behind that."""
        out = b""
        for kind, content, message in self.from_client.feed(data):
            if not self.from_client.typed:
                if self.proxy.take_beginning():
                    self.cut.set()
                    return b"", False
                code = struct.unpack_from("!I", content)[0]
                self.encryption_asked = code in ENCRYPTION_REQUESTS
                self.from_client.typed = not self.encryption_asked
            elif (text := self.statements.executed(kind, content)) is not None:
                when = self._at(text)
                if when == "before":
                    return out, True
                self.withholding = self.withholding or when == "after"
            out += message
        return out, False

    def _at(self, text: str) -> str | None:
        """Notes a statement; when to cut, where it is the COMMIT to be cut at."""
        word = re.match(r"\s*(\w*)", text).group(1).upper()
        if word not in ("COMMIT", "END", "ROLLBACK") or re.match(r"\s*ROLLBACK\s+TO", text, re.I):
            self.texts.append(text)
            return None
        texts, self.texts = self.texts, []
        return None if word == "ROLLBACK" else self.proxy.take_cut(texts)

    def _take_from_server(self, data: bytes) -> tuple[bytes, bool]:
        if self.encryption_asked:  # its answer
            self.encryption_asked = False
            return data, False
        out = b""
        for kind, content, message in self.from_server.feed(data):
            if not self.withholding:
                out += message
            elif kind == b"C" and content.startswith(b"COMMIT"):
                return out, True
        return out, False


def _bound_socket() -> socket.socket:
    """Bound to a free port by its number: only so does it keep the port when it ceases to listen."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", free_port()))
    listener.setblocking(False)
    return listener


class Proxy:
    """Listens on a free port of 127.0.0.1 from its making to close(), in a thread of its own. Its
    functions are called from the test's threads and hold when they return."""

    def __init__(self, target_port: int):
        self.target_port = target_port
        self.delay_seconds = 0.0
        self.links = []
        self.accepted = 0
        self.commits_cut = 0
        self._wanted = None  # (when, pattern, how often)
        self._beginnings_to_cut = 0
        self._changed = threading.Condition()
        self.listener = _bound_socket()
        self.port = self.listener.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.accepting = None
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.accept()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.refuse()
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(CALL_SECONDS)
        self.loop.close()
        self.listener.close()

    def url(self, url: str) -> str:
        """The URL of a database behind it, by way of it."""
        parts = urllib.parse.urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    # --- what it does ---

    def cut(self) -> None:
        """Resets all connections that are open."""

        async def cut() -> None:
            links = list(self.links)
            for link in links:
                link.cut.set()
            await asyncio.gather(*(link.ended for link in links))

        self._call(cut())

    def refuse(self) -> None:
        """Refuses new connections; the port stays its own."""

        async def stop() -> None:
            if self.accepting:
                accepting, self.accepting = self.accepting, None
                await _end(accepting)
                self.listener.shutdown(socket.SHUT_RDWR)

        self._call(stop())

    def accept(self) -> None:
        async def start() -> None:
            if self.accepting is None:
                self.listener.listen(BACKLOG)
                self.accepting = asyncio.ensure_future(self._accept())

        self._call(start())

    def delay(self, seconds: float) -> None:
        """What comes from now on is passed on this much later, in each direction."""
        self.delay_seconds = seconds

    def hold(self) -> None:
        """Passes nothing on and closes nothing, until release(): a black hole."""
        self.loop.call_soon_threadsafe(self.flowing.clear)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.flowing.set)

    def cut_beginnings(self, count: int) -> None:
        """Cuts the next `count` connections when the client's first message is there."""
        with self._changed:
            self._beginnings_to_cut = count

    def cut_at_commit(self, when: str, pattern: str = "", count: int = 1) -> None:
        """Cuts the connections of the next `count` transactions that executed a statement which
        the pattern is found in: `when` is "before" their COMMIT is passed on, or "after", when it
        was done and before its answer is passed on."""
        assert when in ("before", "after")
        with self._changed:
            self._wanted = [when, re.compile(pattern, re.I), count]

    def wait_for_cuts(self, count: int, seconds: float = 30) -> None:
        """Until this many connections were cut at a COMMIT, of all since the beginning."""
        with self._changed:
            done = self._changed.wait_for(lambda: self.commits_cut >= count, seconds)
        assert done, f"{self.commits_cut} of {count} connections were cut at a COMMIT"

    # --- its own thread ---

    def take_cut(self, texts: list) -> str | None:
        with self._changed:
            if self._wanted is None or not any(map(self._wanted[1].search, texts)):
                return None
            when = self._wanted[0]
            self._wanted[2] -= 1
            if self._wanted[2] == 0:
                self._wanted = None
            return when

    def take_beginning(self) -> bool:
        """Whether a connection that begins is cut."""
        with self._changed:
            cuts = self._beginnings_to_cut > 0
            self._beginnings_to_cut -= cuts
            return cuts

    def note_cut(self) -> None:
        with self._changed:
            self.commits_cut += 1
            self._changed.notify_all()

    def _call(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(CALL_SECONDS)

    async def _accept(self) -> None:
        while True:
            client, _ = await self.loop.sock_accept(self.listener)
            self.accepted += 1
            asyncio.ensure_future(self._connect(client))

    async def _connect(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket()
        server.setblocking(False)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self.loop.sock_connect(server, ("127.0.0.1", self.target_port))
        except OSError:
            client.close()
            server.close()
            return
        self.links.append(Link(self, client, server))
