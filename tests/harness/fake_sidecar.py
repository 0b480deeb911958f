"""What a Dapr sidecar says to its app, and a trace collector, as a test wants them: without a broker.
tests/pipeline has the real ones."""
import http.client
import http.server
import json
import threading

from harness.ports import free_port


class FakeServer:
    """An HTTP server on a port that it keeps while it is away."""

    def __init__(self):
        self.port = free_port()
        self.requests = []  # (method, path, headers, body), in their order
        self.changed = threading.Condition()
        self.server = None

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                status, text = outer.answer(self.command, self.path, body)
                with outer.changed:
                    outer.requests.append((self.command, self.path, self.headers, body))
                    outer.changed.notify_all()
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(data)
                # What is away is away for connections that were kept, too.
                self.close_connection = outer.server is None

            do_GET = do_POST = answer

            def log_message(self, *_) -> None:
                """The test has the requests."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01},
                         daemon=True).start()
        return self

    def stop(self) -> None:
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()

    def answer(self, _method: str, _path: str, _body: str) -> tuple:
        return 200, "{}"

    def of(self, path: str) -> list:
        """The bodies of the requests to a path that begins so."""
        with self.changed:
            return [body for _, each, _, body in self.requests if each.startswith(path)]


class FakeSidecar(FakeServer):
    """Takes what is published, but for the entries that `refuses` says; knows `secrets` by name."""

    def __init__(self, secrets: dict | None = None):
        super().__init__()
        self.secrets = secrets or {}
        self.ready = True
        self.refuses = lambda entry: False
        self.published = []  # (topic, entry)

    def answer(self, _method: str, path: str, body: str) -> tuple:
        if path == "/v1.0/healthz/outbound":
            return (204, "") if self.ready else (500, "{}")
        if path.startswith("/v1.0/secrets/todo-secrets/"):
            secret = self.secrets.get(path.rpartition("/")[2])
            return (200, json.dumps(secret)) if secret else (500, '{"errorCode":"ERR_SECRET_GET"}')
        if path.startswith("/v1.0/publish/bulk/todo-pubsub/"):
            return self.publish(path.rpartition("/")[2], json.loads(body))
        return 404, "{}"

    def publish(self, topic: str, entries: list) -> tuple:
        failed = [entry for entry in entries if self.refuses(entry)]
        with self.changed:
            self.published += [(topic, entry) for entry in entries if entry not in failed]
            self.changed.notify_all()
        if not failed:
            return 204, ""
        return 500, json.dumps({"failedEntries": [
            {"entryId": entry["entryId"], "error": "refused"} for entry in failed]})

    def events(self, topic: str) -> list:
        """The envelopes published so far."""
        with self.changed:
            return [entry["event"] for each, entry in self.published if each == topic]


def deliver(port: int, path: str, events: list, token: str = "") -> tuple:
    """A bulk, as the sidecar brings it: the status, and what is said of each."""
    body = json.dumps({"entries": [{"entryId": str(number), "event": event,
                                    "contentType": "application/cloudevents+json"}
                                   for number, event in enumerate(events)],
                       "topic": "todo.audit", "pubsubname": "todo-pubsub"})
    status, answer = ask(port, "POST", path, body, token)
    if status != 200:
        return status, answer
    statuses = json.loads(answer)["statuses"]
    assert [each["entryId"] for each in statuses] == [str(i) for i in range(len(events))]
    return status, [each["status"] for each in statuses]


def ask(port: int, method: str, path: str, body: str | None = None, token: str = "") -> tuple:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/cloudevents+json"}
    if token:
        headers["dapr-api-token"] = token
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
