"""One Kafka broker on loopback: KRaft, a single node, plain or with SCRAM and TLS; killed and restarted at will.

A single node needs every internal topic's replication at 1 and, to come back within seconds of a kill, a short broker
session: with the default of 9 s it waits for its own old registration to expire. Limits are the project's: 12 MiB a
message.

Clients that reach a broker through a proxy learn its own address from its answers and would go past the proxy
from then on. So the broker has a second listener, ``proxied``, that tells clients to come to the proxy's port:
give ``proxy_port`` and let the proxy's target be :attr:`KafkaServer.behind_proxy`.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Literal

from servers.build import SOURCES, find_kafka, kafka_archive
from servers.certificates import Authority
from servers.errors import ServerFailed
from servers.files import write_private
from servers.ports import LOOPBACK, answers, free_ports, is_free
from servers.process import Server, ServerProcess

Security = Literal["plaintext", "scram"]

READY_LINE = "Kafka Server started"
START_WITHIN_S = 120.0
ARCHIVE_WITHIN_S = 120.0
HEAP_MIB = 256
MESSAGE_BYTES = 12 * 1024 * 1024
ADMIN = "admin"
MECHANISM = "SCRAM-SHA-512"


class KafkaServer(Server):
    """One broker, whose data live in ``folder`` and survive kills and restarts.

    Args:
        folder: its settings, data and log; made where it is not there.
        security: ``scram`` is SCRAM-SHA-512 over TLS, with every right denied that no ACL grants.
        port: of its clients; a free one where None.
        proxy_port: where the proxied listener tells its clients to connect.
        reauthenticate_ms: with ``scram``, how long a log-in holds before the broker asks again; 0 never asks.
        guarded: it ends with this process, however this ends.

    Raises:
        ServerMissing: Java or Kafka's jars are not here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        security: Security = "plaintext",
        port: int | None = None,
        proxy_port: int | None = None,
        reauthenticate_ms: int = 0,
        guarded: bool = True,
    ) -> None:
        java, self._jars = find_kafka()
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.security: Security = security
        drawn = free_ports(3)
        self.port = port or drawn[0]
        self.behind_proxy, self._controller_port = drawn[1], drawn[2]
        self._proxy_port = proxy_port or self.behind_proxy
        self._reauthenticate_ms = reauthenticate_ms
        self._settings = self.folder / "server.properties"
        self._java = [str(java), f"-Xmx{HEAP_MIB}m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        self._java.append(f"-Dlog4j2.configurationFile={SOURCES / 'kafka_jars' / 'log4j2.properties'}")
        if kafka_archive().is_file():
            self._java.append(f"-XX:SharedArchiveFile={kafka_archive()}")
        self._java += ["-cp", str(self._jars / "*")]
        command = [*self._java, "kafka.Kafka", str(self._settings)]
        self.process = ServerProcess("Kafka", command, self.folder / "server.log", guarded=guarded)

    @property
    def bootstrap(self) -> str:
        """Where clients connect: ``127.0.0.1:PORT``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """With ``scram``: the certificate that clients trust (PEM)."""
        return self.folder / "tls" / "ca.pem"

    @property
    def password_file(self) -> Path:
        """With ``scram``: the file that holds :attr:`admin_password`, for its owner alone to read."""
        return self.folder / "admin.password"

    @property
    def admin_password(self) -> str:
        """With ``scram``: the password of the user ``admin``, who may do everything; made at the first start."""
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_urlsafe(18))
        return self.password_file.read_text()

    def client_settings(self, user: str = ADMIN, password: str | None = None) -> dict[str, str]:
        """What a librdkafka client (confluent-kafka) needs to connect; by default as the administrator."""
        if self.security == "plaintext":
            return {"bootstrap.servers": self.bootstrap}
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca_file),
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": self.admin_password if password is None else password,
        }

    def start(self) -> float:
        """Start it, formatting its storage the first time, and wait until it serves; seconds that the start took.

        Raises:
            ServerFailed: its port is taken, or it ended, or was not ready in time.
        """
        if not self.process.running and not is_free(self.port):
            raise ServerFailed(f"port {self.port} of {LOOPBACK} is taken: Kafka cannot listen there")
        self._write_settings()  # Anew each time: a folder that was used before may have other ports now.
        if not (self.folder / "data").is_dir():
            self._format()
        return self.process.start(lambda log: READY_LINE in log and answers(self.port), START_WITHIN_S)

    def _format(self) -> None:
        """Make its certificate and its storage, with the administrator's credential in it."""
        if self.security == "scram":
            authority = Authority("Katydid test broker")
            authority.write(self.ca_file)
            authority.issue("broker").write(self.folder / "tls" / "broker.pem")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *self._java,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._settings),
        ]
        arguments = self.folder / "format.arguments"
        if self.security == "scram":  # Through a file: every process of the machine may read arguments.
            write_private(arguments, f"--add-scram\n{MECHANISM}=[name={ADMIN},password={self.admin_password}]\n")
            command.append(f"@{arguments}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        arguments.unlink(missing_ok=True)
        if done.returncode != 0:
            raise ServerFailed(f"Kafka's storage could not be made:\n{done.stdout}{done.stderr}")

    def _write_settings(self) -> None:
        lines = [f"{key}={value}" for key, value in self._properties().items()]
        write_private(self._settings, "\n".join(lines) + "\n")

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "listeners": ",".join(
                [
                    f"CLIENTS://{LOOPBACK}:{self.port}",
                    f"PROXIED://{LOOPBACK}:{self.behind_proxy}",
                    f"CONTROLLER://{LOOPBACK}:{self._controller_port}",
                ]
            ),
            "advertised.listeners": f"CLIENTS://{LOOPBACK}:{self.port},PROXIED://{LOOPBACK}:{self._proxy_port}",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(MESSAGE_BYTES),
            **SINGLE_NODE,
            **(self._secured() if self.security == "scram" else PLAIN),
        }

    def _secured(self) -> dict[str, str]:
        login = "org.apache.kafka.common.security.scram.ScramLoginModule"
        jaas = f'{login} required username="{ADMIN}" password="{self.admin_password}";'
        return {
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,PROXIED:SASL_SSL,CONTROLLER:SSL",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": jaas,
            f"listener.name.proxied.{MECHANISM.lower()}.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "tls" / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_file),
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN=broker",
            "allow.everyone.if.no.acl.found": "false",
            "connections.max.reauth.ms": str(self._reauthenticate_ms),
        }


PLAIN = {"listener.security.protocol.map": "CLIENTS:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"}

SINGLE_NODE = {
    "offsets.topic.replication.factor": "1",
    # 50 partitions by default: as many files to open at each start, for nothing on one node.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
    # 128 MiB by default, half of the heap that a broker for tests has.
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
}


def archive_classes() -> None:
    """Let a broker run once and keep what Java made of its classes, unless that is there.

    A start with the archive takes 2.4 s of CPU, not 4, and 40 MiB less memory. Java itself leaves an archive alone that
    is not its own.
    """
    archive = kafka_archive()
    if archive.is_file():
        return
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="building-") as folder:
        made = Path(folder) / archive.name
        server = KafkaServer(Path(folder) / "broker")
        server.process.command.insert(1, f"-XX:ArchiveClassesAtExit={made}")
        server.start()
        server.process.terminate(ARCHIVE_WITHIN_S)
        if made.is_file():
            made.rename(archive)
