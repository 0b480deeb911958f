"""The image: built, and run as in production."""
import json
import os
import re
import subprocess
import tarfile

import pytest
from kit import ROOT, call, must

from builder import NAME, Engine

SIZE_MAX = 120 * 1000 * 1000


class Image:
    def __init__(self, folder):
        self.epoch = int(must("git", "log", "-1", "--format=%ct"))
        self.revision = must("git", "rev-parse", "HEAD").strip()
        self.engine = Engine(folder)
        self.engine.build(self.epoch, self.revision)
        self.config = json.loads(self.engine.run("image", "inspect", NAME))[0]
        archive = folder / "content.tar"
        container = self.engine.run("create", NAME).strip()
        self.engine.run("export", "-o", archive, container)
        self.engine.run("rm", container)
        self.folder = folder / "content"
        with tarfile.open(archive) as content:
            self.members = {member.name.strip("/"): member for member in content}
            content.extractall(self.folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return Image(tmp_path_factory.mktemp("image"))


def test_it_runs_as_in_production(image, capsys):
    """Read-only, no capabilities, no network: healthy, and it stops within its grace."""
    done = subprocess.run([ROOT / "deploy" / "docker" / "try", NAME], text=True, timeout=120,
                          env={**os.environ, "ENGINE": image.engine.program},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    with capsys.disabled():
        print(f"\n  {done.stdout.strip().splitlines()[-1]}")


def test_it_says_what_it_is(image):
    labels = image.config["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == image.revision
    assert {"title", "description", "licenses", "version", "created"} <= {
        name.rsplit(".", 1)[1] for name in labels if name.startswith("org.opencontainers.image.")}
    assert image.config["Config"]["User"] == "65532:65532"
    assert "healthcheck" in json.dumps(image.config)
    assert image.config["Size"] <= SIZE_MAX


def test_it_holds_what_it_needs_and_nothing_else(image):
    files = {name for name, member in image.members.items() if member.isreg() and member.size}
    # What an engine puts into a container that it makes.
    files -= {"etc/hosts", "etc/hostname", "etc/resolv.conf"}
    known = re.compile(r"usr/bin/todo-backend|usr/lib/.*\.so[.\w]*|usr/lib64/ld-linux[\w.-]*|"
                       r"usr/share/zoneinfo/.*|etc/ssl/certs/ca-certificates\.crt|etc/passwd|etc/group|"
                       r"run/\.containerenv")
    assert [name for name in sorted(files) if not known.fullmatch(name)] == []
    assert {"usr/bin/todo-backend", "usr/share/zoneinfo/tzdata.zi", "etc/passwd"} <= files


def test_every_file_has_the_commit_s_time(image):
    ours = [member for name, member in image.members.items()
            if name.startswith(("usr/bin/", "usr/lib/", "usr/share/")) and member.isreg()]
    assert len(ours) > 100
    assert {member.mtime for member in ours} == {image.epoch}


def test_no_secret_is_in_it(image):
    done = call("gitleaks", "dir", image.folder / "etc", "--no-banner", "--redact", "--exit-code", "3",
                "-c", ROOT / ".gitleaks.toml")
    assert done.returncode == 0, done.stderr
    told = json.dumps(image.config)
    assert not re.search(r"(SECRET|TOKEN|PASSWORD|_KEY|DATABASE_URL)=", told)
    # What the build was lent is not there: the machine's ways to package registries.
    assert not [name for name in image.members
                if name.endswith((".npmrc", "pip.conf")) or name.startswith("etc/apt")]
