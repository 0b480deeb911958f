"""A Kubernetes control plane of its own: etcd, API server, controllers and scheduler are the real ones, nodes
and pods are kwok's. It listens on loopback, keeps nothing, and ends with its test run."""
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import tools_at
import yaml
from harness.ports import free_port
from kit import call, must

STARTED_SECONDS_MAX = 120
NODES = ("node-1", "node-2")

def wait_until(what: str, condition, seconds_max: float) -> None:
    """Asks until the condition holds; says what was waited for when it does not."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds_max} s: {what}"
        time.sleep(0.1)


def kinds() -> list:
    """The definitions that charts and manifests ask for; there is nobody to act on them, or to convert."""
    found = []
    for path in sorted(tools_at.crds().glob("*.yaml")):
        if path.name.startswith(("dapr-", "strimzi-")) or path.name.endswith(
                ("_servicemonitors.yaml", "_prometheusrules.yaml", "_clusterissuers.yaml")):
            for definition in yaml.load_all(path.read_text(), yaml.CSafeLoader):
                definition["spec"].pop("conversion", None)
                found.append(definition)
    return found


class ControlPlane:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-control-plane-"))
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.config = self.folder / "kubeconfig"
        self.env = {**os.environ, "KUBECONFIG": str(self.config), "HOME": str(self.folder)}
        self.processes = []

    def __enter__(self) -> "ControlPlane":
        try:
            self.write_files()
            self.start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_files(self) -> None:
        must("openssl", "genrsa", "-out", self.folder / "accounts.key", "2048")
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{self.port}",
                                                      "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
        self.config.write_text(yaml.safe_dump(config))

    def start(self, name: str, *arguments) -> None:
        log = open(self.folder / f"{name}.log", "wb")
        with log:
            self.processes.append(subprocess.Popen(
                [tools_at.tool(name), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder, env=self.env))

    def start_all(self) -> None:
        etcd, peer = free_port(), free_port()
        self.start("etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
                   "--listen-client-urls", f"http://127.0.0.1:{etcd}",
                   "--advertise-client-urls", f"http://127.0.0.1:{etcd}",
                   "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                   "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                   "--initial-cluster", f"default=http://127.0.0.1:{peer}")
        key = self.folder / "accounts.key"
        self.start("kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{etcd}",
                   "--bind-address=127.0.0.1", "--secure-port", self.port, "--advertise-address=127.0.0.1",
                   "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
                   "--cert-dir", self.folder / "certificates", "--token-auth-file",
                   self.folder / "tokens.csv", "--authorization-mode=RBAC",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   "--service-account-key-file", key, "--service-account-signing-key-file", key)
        self.wait("the API server is ready", lambda: call(
            "kubectl", "get", "--raw", "/readyz", env=self.env).returncode == 0)
        self.start("kube-controller-manager", "--kubeconfig", self.config, "--secure-port=0",
                   "--leader-elect=false", "--service-account-private-key-file", key,
                   "--bind-address=127.0.0.1")
        self.start("kube-scheduler", "--kubeconfig", self.config, "--leader-elect=false",
                   "--secure-port=0", "--bind-address=127.0.0.1")
        self.start("kwok", "--kubeconfig", self.config, "--config",
                   tools_at.HERE / "cluster" / "stages.yaml", "--manage-all-nodes=true",
                   "--node-lease-duration-seconds=40", "--server-address",
                   f"127.0.0.1:{free_port()}")
        for name in NODES:
            node = {"apiVersion": "v1", "kind": "Node",
                    "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}
            self.kubectl("create", "-f", "-", input=yaml.safe_dump(node))
        self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=90s")
        self.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(kinds()))
        self.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")

    def wait(self, what: str, condition) -> None:
        def holds() -> bool:
            for process in self.processes:
                assert process.poll() is None, self.last_words(process)
            return condition()

        wait_until(what, holds, STARTED_SECONDS_MAX)

    def last_words(self, process) -> str:
        name = pathlib.Path(process.args[0]).name
        return f"{name} ended:\n{(self.folder / f'{name}.log').read_text()[-2000:]}"

    def kubectl(self, *arguments, **options) -> str:
        return must("kubectl", *arguments, env=self.env, **options)

    def helm(self, *arguments, **options) -> str:
        return must("helm", *arguments, env=self.env, **options)

    def try_helm(self, *arguments) -> subprocess.CompletedProcess:
        return call("helm", *arguments, env=self.env, timeout=600)

    def namespace(self, name: str) -> None:
        """One in which nothing may run with privileges, with the Secret that the chart wants."""
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        self.kubectl("-n", name, "create", "secret", "generic", "todo-app-database",
                     "--from-literal=DATABASE_URL=postgres://todo@db.example.com/todo")
        wait_until(f"the default account of {name}", lambda: call(
            "kubectl", "-n", name, "get", "serviceaccount", "default", env=self.env).returncode == 0, 30)
