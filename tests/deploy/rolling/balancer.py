"""What stands before the pods in production, on loopback: connections go to those that are ready, by turns.

Readiness is asked as the chart's probe does, and the answer is acted upon as late: a pod that stops is sent
connections for some seconds more.
"""
import http.client
import socket
import threading
import time

CHUNK_BYTES = 65536
CONNECT_SECONDS = 5


class Balancer:
    def __init__(self, period_s: float, failures_max: int):
        self.period_s = period_s
        self.failures_max = failures_max
        self.lock = threading.Lock()
        self.failures = {}  # by port; as many as failures_max: not ready
        self.turn = 0
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        for work in (self._accept, self._probe):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        self.listener.close()

    def add(self, port: int) -> None:
        """A new pod, which is ready: it only counts as one from then on."""
        with self.lock:
            self.failures[port] = 0

    def remove(self, port: int) -> None:
        with self.lock:
            self.failures.pop(port, None)

    def ready(self) -> list:
        with self.lock:
            return [port for port, failures in self.failures.items() if failures < self.failures_max]

    def _probe(self) -> None:
        while not self.ended.wait(self.period_s):
            with self.lock:
                ports = list(self.failures)
            for port in ports:
                well = self._is_ready(port)
                with self.lock:
                    if port in self.failures:
                        self.failures[port] = 0 if well else self.failures[port] + 1

    @staticmethod
    def _is_ready(port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        ports = self.ready()
        if not ports:
            client.close()
            return
        self.turn += 1
        try:
            server = socket.create_connection(("127.0.0.1", ports[self.turn % len(ports)]),
                                              CONNECT_SECONDS)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        client.close()
        server.close()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK_BYTES):
                sink.sendall(data)
        except OSError:
            pass
        for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                end.shutdown(how)
            except OSError:
                pass


def wait_for(what: str, condition, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds_max} s: {what}"
        time.sleep(0.05)
