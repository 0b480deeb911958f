"""The whole pipeline on one machine: PostgreSQL, a Kafka broker, and replicas of the server, each with
a Dapr sidecar of its own that is started again when it ends, as Kubernetes would."""
import concurrent.futures
import http.client
import pathlib
import secrets
import threading

from harness import parts
from harness.broker import Broker
from harness.daprd import Sidecar
from harness.passage import Passage
from harness.ports import free_port
from harness.postgres import Cluster
from harness.server import Server, eventually, migrated
from harness.store import PostgresStore

WATCH_SECONDS = 0.2
READY_SECONDS = 60


class Replica:
    """A server and its sidecar; between them a door on the way of the deliveries."""

    def __init__(self, folder: pathlib.Path, store, broker: str, number: int, cron: str, settings: dict):
        app_port = free_port()
        self.number = number
        self.door = Passage(app_port)
        app_token, api_token = secrets.token_hex(16), secrets.token_hex(16)
        self.sidecar = Sidecar(folder / f"sidecar{number}", self.door.port, broker,
                               api_token=api_token, app_token=app_token, cron=cron)
        self.server = Server(folder / f"server{number}", store=store, EVENT_BUS="dapr",
                             APP_PORT=app_port, DAPR_HTTP_PORT=self.sidecar.http_port,
                             DAPR_API_TOKEN=api_token, APP_API_TOKEN=app_token, **settings)

    def is_ready(self) -> bool:
        if self.server.process is None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def metric(self, name: str, labels: str = "") -> float:
        """0 while it is away."""
        try:
            return self.server.metric(name, labels)
        except (OSError, http.client.HTTPException):
            return 0


class Replicas:
    """Everything, made at once and started by start(); each part can be ended and started again."""

    def __init__(self, folder, count: int = 2, cron: str = "@every 15m", **settings):
        self.folder = pathlib.Path(folder)
        self.cluster = Cluster(durable=True)
        self.broker = Broker(self.folder / "broker")
        self.count, self.cron, self.settings = count, cron, settings
        self.replicas = []
        self.wanted = set()  # sidecars that are to run: the watch starts those that ended
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.watch = None
        self.restarts = 0

    def __enter__(self) -> "Replicas":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> "Replicas":
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            database = pool.submit(self._make_database)
            self.broker.start()
            self.broker.create_topics()
            self.database = database.result()
        store = PostgresStore(self.database)
        for number in range(self.count):
            self.replicas.append(Replica(
                self.folder, store, self.broker.address, number, self.cron,
                {"DATABASE_DIRECT_URL": self.database.url, **self.settings}))
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()
        for replica in self.replicas:
            replica.server.start()
            self.want(replica)
        self.await_ready()
        return self

    def _make_database(self):
        self.cluster.start()
        return migrated(self.cluster, self.folder / "migration")

    def await_ready(self) -> None:
        eventually(lambda: all(replica.is_ready() for replica in self.replicas), READY_SECONDS)
        eventually(lambda: all(replica.sidecar.answers() for replica in self.replicas), READY_SECONDS)

    # --- sidecars ---

    def want(self, replica: Replica) -> None:
        """Its sidecar runs from now on."""
        with self.lock:
            self.wanted.add(replica.number)

    def stop_sidecar(self, replica: Replica, kill: bool = False) -> None:
        """It stays away until it is wanted."""
        with self.lock:
            self.wanted.discard(replica.number)
            replica.sidecar.kill() if kill else replica.sidecar.stop()

    def kill_sidecar(self, replica: Replica) -> None:
        """It comes back by itself."""
        with self.lock:
            replica.sidecar.kill()

    def _watch(self) -> None:
        # The one thread that starts sidecars: they end with it.
        while not self.ending.wait(WATCH_SECONDS):
            with self.lock:
                for replica in self.replicas:
                    if replica.number in self.wanted and not replica.sidecar.running:
                        replica.sidecar.kill()  # what is left of it
                        replica.sidecar.launch()
                        self.restarts += 1

    # --- all of them ---

    def metric(self, name: str, labels: str = "") -> float:
        return sum(replica.metric(name, labels) for replica in self.replicas)

    def close(self) -> None:
        self.ending.set()
        if self.watch:
            self.watch.join(parts.STOP_SECONDS)
        for replica in self.replicas:
            replica.sidecar.kill()
            if replica.server.process is not None:
                replica.server.kill()
            replica.door.close()
        self.broker.close()
        self.cluster.close()
