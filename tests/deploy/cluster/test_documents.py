"""The commands of docs/runbook.md and docs/deploy.md that need a control plane, from the first to the last."""
import json
import subprocess

import pytest
import tools_at
from kit import PLANE_MARK, ROOT, blocks

NAMESPACE = "todo-production"
SECONDS_MAX = 600


@pytest.fixture
def production(plane):
    """The namespace with what deploy/doks/install puts there, and a storage that can grow."""
    plane.kubectl("apply", "-f", "-", input=json.dumps({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "nobody",
        "metadata": {"name": "block", "annotations": {"storageclass.kubernetes.io/is-default-class":
                                                      "true"}},
        "allowVolumeExpansion": True, "volumeBindingMode": "Immediate"}))
    plane.kubectl("apply", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "backups"},
        "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
                 "storageClassName": "block", "hostPath": {"path": "/nowhere"},
                 "claimRef": {"namespace": NAMESPACE, "name": "todo-app-backup"}}}))
    plane.namespace(NAMESPACE)
    plane.kubectl("-n", NAMESPACE, "create", "secret", "generic", "todo-backend", *(
        f"--from-literal={name}={value}" for name, value in (
            ("DATABASE_URL", "postgres://todo@db.example.com/todo"), ("JWT_SECRET", "j" * 32),
            ("AUDIT_KEY", "a" * 32))))
    yield plane
    plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    plane.kubectl("delete", "pv/backups", "storageclass/block", "--wait=false")


def test_the_commands_of_the_documents(production):
    words = blocks("runbook.md", PLANE_MARK)
    names, install, *rest = words
    assert "namespace=" in names and "helm upgrade --install" in install
    # Twice, so that there is something to roll back to.
    script = [names, "tag=one", install, "tag=two", install, *rest, *blocks("deploy.md", PLANE_MARK)]
    programs = {str(tools_at.FOLDERS[name]()) for name in ("helm", "kubectl")}
    env = {**production.env, "PATH": ":".join([*programs, production.env["PATH"]])}
    done = subprocess.run(["bash", "-c", "set -euo pipefail\nset -x\n" + "\n".join(script)], cwd=ROOT,
                          env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Rollback was a success" in done.stdout
    # The last command was the uninstall: what is the operator's is still there.
    left = json.loads(production.kubectl("-n", NAMESPACE, "get", "secrets,deployments,pvc", "-o", "json"))
    names = {thing["metadata"]["name"] for thing in left["items"]}
    assert names == {"todo-backend", "todo-app-database", "todo-app-backup"}
