"""A Kafka broker of the test's own on free ports of 127.0.0.1, with its topics."""
import base64
import functools
import pathlib
import shutil
import tempfile
import uuid

from harness import parts
from harness.ports import free_port

VERSION = "4.3.1"
POM = parts.ROOT / "tests" / "pipeline" / "broker" / "pom.xml"
TOPICS = ("todo.audit", "todo.reminders", "todo.task.completed")
DEAD_TOPICS = tuple(f"{topic}.dlq" for topic in TOPICS)
PARTITIONS = 6
START_SECONDS = 90
ANSWER_SECONDS = 10

# Small and quick to notice that it was killed: its old session must lapse before the new one is
# taken.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={folder}/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.segment.bytes=16777216
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=2
"""
LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d %p %c: %m%n"/></Console>
  </Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""
JAVA = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Djava.net.preferIPv4Stack=true"]


@functools.cache
def jars() -> pathlib.Path:
    """The folder of the broker's libraries."""
    def make(folder: pathlib.Path) -> None:
        shutil.copy(POM, folder / "pom.xml")
        parts.run(["mvn", "-q", "-B", "-ntp", "dependency:copy-dependencies",
                   "-DincludeScope=runtime", "-DoutputDirectory=libs"], folder)

    return parts.made(f"kafka-{VERSION}", f"Fetching Kafka {VERSION} (44 MB)", make) / "libs"


class Broker(parts.Part):
    """Runs from start() to close(), again on the same ports after it was stopped or killed."""

    def __init__(self, folder=None):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="todo-broker-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        super().__init__(self.folder / "broker.log")
        self.port, self.controller_port = free_port(), free_port()
        (self.folder / "log4j2.xml").write_text(LOGGING)
        (self.folder / "server.properties").write_text(PROPERTIES.format(
            port=self.port, controller_port=self.controller_port, folder=self.folder))

    def __enter__(self) -> "Broker":
        return self.start()

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def java(self, *arguments) -> list:
        return ["java", *JAVA, f"-Dlog4j2.configurationFile={self.folder}/log4j2.xml",
                "-cp", f"{jars()}/*", *arguments]

    def start(self) -> "Broker":
        self.launch()
        self.await_ready(self.answers, START_SECONDS)
        return self

    def launch(self) -> None:
        """Starts it and does not wait for it."""
        properties = self.folder / "server.properties"
        if not (self.folder / "data").exists():
            # Not with a dash at its beginning, which would make it an option.
            id_bytes = b"\0" + uuid.uuid4().bytes[1:]
            cluster_id = base64.urlsafe_b64encode(id_bytes).decode().rstrip("=")
            parts.run(self.java("kafka.tools.StorageTool", "format", "--standalone", "-t",
                                cluster_id, "-c", properties), self.folder)
        self.begin(self.java("kafka.Kafka", properties))

    def answers(self) -> bool:
        """Whether it tells its metadata."""
        return self.metadata(1) is not None

    def metadata(self, seconds: float = ANSWER_SECONDS):
        from confluent_kafka import KafkaException
        try:
            return self.admin().list_topics(timeout=seconds)
        except KafkaException:
            return None

    def admin(self):
        from confluent_kafka.admin import AdminClient
        # That the broker is away is what the tests are about: nothing is said of it.
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0,
                            "log.connection.close": False, "logger": _silent()})

    def create_topics(self, topics=TOPICS + DEAD_TOPICS, partitions: int = PARTITIONS) -> None:
        from confluent_kafka.admin import NewTopic
        admin = self.admin()  # as long as what it was asked for is not done
        made = admin.create_topics(
            [NewTopic(topic, partitions, 1) for topic in topics], operation_timeout=ANSWER_SECONDS)
        for future in made.values():
            future.result(ANSWER_SECONDS)

    def close(self) -> None:
        self.stop() if self.running else self.kill()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def _silent():
    """That a broker is away is what the tests are about."""
    import logging
    logger = logging.getLogger("kafka-client")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
