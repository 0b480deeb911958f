"""A door in a TCP connection, which can be shut: whoever is behind it is away."""
import contextlib
import select
import socket
import threading

CHUNK_BYTES = 65536
BACKLOG = 64


class Passage:
    """Passes on what comes to its port to `target`, another port of 127.0.0.1, while it is open."""

    def __init__(self, target: int):
        self.target = target
        self.lock = threading.Lock()
        self.links = set()
        self.is_open = True
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Cuts every connection; new ones are cut at once."""
        with self.lock:
            self.is_open = False
            links, self.links = self.links, set()
        for link in links:
            self._cut(link)

    def open(self) -> None:
        with self.lock:
            self.is_open = True

    def close(self) -> None:
        self.shut()
        self._cut((self.listener,))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            link = (client, server)
            with self.lock:
                is_open = self.is_open
                if is_open:
                    self.links.add(link)
            if is_open:
                threading.Thread(target=self._pass, args=(link,), daemon=True).start()
            else:
                self._cut(link)

    def _pass(self, link) -> None:
        client, server = link
        other = {client: server, server: client}
        with contextlib.suppress(OSError, ValueError):
            while True:
                for source in select.select(link, (), ())[0]:
                    data = source.recv(CHUNK_BYTES)
                    if not data:
                        raise OSError("closed")
                    other[source].sendall(data)
        with self.lock:
            self.links.discard(link)
        self._cut(link)

    @staticmethod
    def _cut(sockets) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
