"""A Dapr sidecar of the test's own: our build of the real one, with the components it is given."""
import functools
import hashlib
import http.client
import os
import pathlib

import yaml

from harness import parts
from harness.ports import free_port

VERSION = "1.18.2"
MODULE = parts.ROOT / "tests" / "pipeline" / "daprd"
COMPONENTS = parts.ROOT / "deploy" / "dapr" / "local"
START_SECONDS = 60


@functools.cache
def program() -> pathlib.Path:
    """The sidecar, built from the module in this repository: seven minutes on two cores, once."""
    source = hashlib.sha256()
    for name in ("main.go", "go.mod", "go.sum"):
        source.update((MODULE / name).read_bytes())

    def make(folder: pathlib.Path) -> None:
        flags = " ".join(["-s", "-w", f"-X github.com/dapr/dapr/pkg/buildinfo.version={VERSION}",
                          f"-X github.com/dapr/kit/logger.DaprVersion={VERSION}"])
        jobs = max(1, min(os.cpu_count() or 1, int(os.environ.get("TODO_JOBS") or 64)))
        parts.run([parts.go(), "build", "-p", jobs, "-trimpath", "-ldflags", flags,
                   "-o", folder / "daprd", "."], MODULE,
                  {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"})

    name = f"daprd-{VERSION}-{source.hexdigest()[:12]}"
    return parts.made(name, "Building the Dapr sidecar (4 to 8 minutes)", make) / "daprd"


class Sidecar(parts.Part):
    """A sidecar beside the app on `app_port`, with the components of deploy/dapr/local, with
    the addresses and names that are given. On the same ports from start to start."""

    def __init__(self, folder: pathlib.Path, app_port: int, broker: str, *, group: str = "todo-backend",
                 api_token: str = "", app_token: str = "", cron: str = "@every 15m"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        super().__init__(self.folder / "daprd.log")
        self.app_port = app_port
        self.http_port = free_port()
        self.ports = [free_port() for _ in range(3)]
        self.api_token, self.app_token = api_token, app_token
        self.resources = self.folder / "resources"
        self.secrets = self.folder / "secrets.json"
        self.secrets.write_text("{}")
        self.values = {"brokers": broker, "secretsFile": str(self.secrets), "consumerGroup": group,
                       "schedule": cron}
        self.change()

    def change(self, **values) -> None:
        """Writes the committed components, with these values in them: for the next start."""
        self.values |= values
        self.resources.mkdir(exist_ok=True)
        for file in COMPONENTS.glob("*.yaml"):
            documents = list(yaml.safe_load_all(file.read_text()))
            for document in documents:
                if document["kind"] == "Component":
                    for item in document["spec"]["metadata"]:
                        item["value"] = self.values.get(item["name"], item["value"])
                if document["kind"] == "Configuration":
                    document["spec"]["tracing"]["samplingRate"] = "0"
            (self.resources / file.name).write_text(yaml.safe_dump_all(documents))

    def command(self) -> list:
        grpc, internal, metrics = self.ports
        return [program(), "--app-id", "todo-backend", "--app-port", self.app_port,
                "--app-protocol", "http", "--app-channel-address", "127.0.0.1",
                "--resources-path", self.resources, "--config", self.resources / "config.yaml",
                "--dapr-http-port", self.http_port, "--dapr-grpc-port", grpc,
                "--dapr-internal-grpc-port", internal, "--metrics-port", metrics,
                "--dapr-listen-addresses", "127.0.0.1",
                "--dapr-internal-grpc-listen-address", "127.0.0.1",
                "--metrics-listen-address", "127.0.0.1", "--enable-app-health-check=true",
                "--app-health-check-path", "/healthz", "--app-health-probe-interval", "1",
                "--app-health-probe-timeout", "900", "--app-health-threshold", "3",
                "--log-as-json"]

    def launch(self) -> None:
        """Starts it and does not wait for it."""
        env = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        env |= {"DAPR_HOST_IP": "127.0.0.1"}
        if self.api_token:
            env["DAPR_API_TOKEN"] = self.api_token
        if self.app_token:
            env["APP_API_TOKEN"] = self.app_token
        self.begin(self.command(), env)

    def start(self) -> "Sidecar":
        self.launch()
        self.await_ready(self.answers, START_SECONDS)
        return self

    def answers(self) -> bool:
        """Whether its components can be used."""
        status, _ = self.request("GET", "/v1.0/healthz/outbound")
        return status == 204

    def request(self, method: str, path: str, body: str | None = None, headers: dict | None = None):
        """Status and body; (0, "") where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        headers = dict(headers or {})
        if self.api_token:
            headers["dapr-api-token"] = self.api_token
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()
