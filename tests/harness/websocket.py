"""A WebSocket client (RFC 6455) that sends what a test tells it to, right or wrong."""
import base64
import functools
import hashlib
import json
import os
import socket
import struct

import jsonschema

from harness.contract import schema

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WAIT_SECONDS = 10
# Each message is held against its schema in docs/api/openapi.yaml.
MESSAGES = {"hello": "HelloMessage", "task": "TaskMessage", "notification": "NotificationMessage", "pong": "PongMessage"}


@functools.cache
def validator(message_type: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(MESSAGES[message_type]))


class Refused(Exception):
    """The server did not upgrade."""

    def __init__(self, status: int, headers: dict, body: bytes):
        super().__init__(f"{status}: {body[:500]!r}")
        self.status = status
        self.headers = headers
        self.body = body


class Closed(Exception):
    """The server closed: with a code, or None where the connection just ended."""

    def __init__(self, code: int | None, reason: str = ""):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def masked(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """A client's frame."""
    first = (0x80 if final else 0) | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class WebSocket:
    """Open once it is made. `headers` beside those of every handshake; one that is None is left out."""

    def __init__(self, server, headers: dict | None = None, path: str = "/api/v1/ws", receive_buffer: int | None = None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", server.port))
        self.received = b""
        try:
            self._shake_hands(server, path, headers or {})
        except BaseException:
            self.socket.close()
            raise

    def _shake_hands(self, server, path: str, headers: dict) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": f"127.0.0.1:{server.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key} | headers
        lines = [f"GET {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields.items() if value is not None]
        self.send_bytes(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        status = int(head[0].split(" ")[1])
        self.headers = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        if status != 101:
            raise Refused(status, self.headers, self._exactly(int(self.headers.get("content-length", 0))))
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert self.headers["sec-websocket-accept"] == accept
        assert self.headers["upgrade"] == "websocket" and self.headers["connection"] == "Upgrade"
        assert "sec-websocket-extensions" not in self.headers

    # --- sending ---

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", final: bool = True) -> None:
        self.send_bytes(masked(opcode, payload, final))

    def send(self, value) -> None:
        self.send_frame(TEXT, json.dumps(value).encode())

    def close(self, code: int = 1000) -> None:
        """Closes as it should be, and waits for the server to do so."""
        self.send_frame(CLOSE, struct.pack("!H", code))
        try:
            while True:
                self.receive()
        except Closed as closed:
            assert closed.code == code
        self.cut()

    def cut(self) -> None:
        self.socket.close()

    # --- receiving ---

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            raise Closed(None) from None
        if not data:
            raise Closed(None)
        self.received += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.received:
            self._more()
        taken, _, self.received = self.received.partition(mark)
        return taken

    def _exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            self._more()
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def receive_frame(self) -> tuple:
        """(opcode, payload); a server's frames are whole and never masked."""
        first, second = self._exactly(2)
        assert first & 0x80 and not first & 0x70 and not second & 0x80
        size = second
        if size == 126:
            size, = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(size)

    def receive(self, seconds: float = WAIT_SECONDS) -> dict:
        """The next message; answers pings meanwhile. Closed, once it is; TimeoutError, when nothing comes."""
        self.socket.settimeout(seconds)
        while True:
            opcode, payload = self.receive_frame()
            if opcode == TEXT:
                message = json.loads(payload)
                validator(message["type"]).validate(message)
                return message
            if opcode == PING:
                self.send_frame(PONG, payload)
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode())

    def wait_for(self, wanted, seconds: float = WAIT_SECONDS) -> dict:
        """The next message that `wanted` is true of."""
        while not wanted(message := self.receive(seconds)):
            pass
        return message

    def wait_closed(self, seconds: float = WAIT_SECONDS) -> int | None:
        """The code that the server closes with. Its Close is answered, and the connection ends."""
        try:
            while True:
                self.receive(seconds)
        except Closed as closed:
            if closed.code is not None:
                try:
                    self.send_frame(CLOSE, struct.pack("!H", closed.code) if closed.code != 1005 else b"")
                    self._exactly(1)
                except (Closed, ConnectionError):
                    pass
            self.cut()
            return closed.code


def bearer(token: str) -> dict:
    return {"Sec-WebSocket-Protocol": f"bearer, {token}"}


def listen(user, server=None, **more) -> WebSocket:
    """Open, and greeted."""
    opened = WebSocket(server or user.server, bearer(user.token), **more)
    assert opened.receive()["type"] == "hello"
    return opened
