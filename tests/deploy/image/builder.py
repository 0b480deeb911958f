"""Builds the image with the container engine that is there, or with none: then Debian's mmdebstrap makes the
base image, and buildah and podman do the rest in a storage of their own in the cache."""
import os
import pathlib
import pwd
import shutil
import subprocess

import tools_at
from kit import ROOT, must

NAME = "localhost/todo-backend:test"
BASE = "docker.io/library/debian:bookworm-slim"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
BUILD_SECONDS_MAX = 1400
# How this machine reaches package registries: the same inside, and not in the image.
MACHINE = ("/etc/apt", "/etc/pip.conf", "/etc/ssl/certs", "/usr/local/share/ca-certificates")
HOME_IN_IMAGE = pwd.getpwuid(0).pw_dir  # the superuser's, as on any Debian


class Engine:
    """Docker's command line, or podman's with buildah's builder."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.docker = shutil.which("docker") is not None and subprocess.run(
            ["docker", "info"], capture_output=True).returncode == 0
        self.program = self._wrapper()

    def _wrapper(self) -> str:
        """What deploy/docker/try takes for an engine."""
        if self.docker:
            return "docker"
        # podman would ask for more than a container in a container may raise.
        settings = self.folder / "containers.conf"
        settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
        wrapper = self.folder / "engine"
        wrapper.write_text(f"#!/bin/sh\nCONTAINERS_CONF={settings} exec podman --runtime runc "
                           f'--cgroup-manager cgroupfs {" ".join(self._storage())} "$@"\n')
        wrapper.chmod(0o755)
        return str(wrapper)

    @staticmethod
    def _storage() -> list:
        where = tools_at.CACHE / "containers"
        return ["--root", str(where), "--runroot", f"{where}-run", "--storage-driver", "overlay"]

    def run(self, *arguments, timeout: float = 300) -> str:
        return must(self.program, *arguments, timeout=timeout)

    def build(self, epoch: int, revision: str) -> None:
        arguments = ["-f", str(DOCKERFILE), "-t", NAME, "--build-arg", f"SOURCE_DATE_EPOCH={epoch}",
                     "--build-arg", f"REVISION={revision}"]
        if self.docker:
            self.run("build", *arguments, ".", timeout=BUILD_SECONDS_MAX)
            return
        self._base()
        must("buildah", *self._storage(), "bud", "--isolation", "chroot", "--format", "docker",
             "--pull-never", "--layers", "--timestamp", str(epoch), "--ignorefile",
             f"{DOCKERFILE}.dockerignore", *self._machine(), *arguments, ".",
             timeout=BUILD_SECONDS_MAX)

    def _machine(self) -> list:
        npmrc = self.folder / "npmrc"
        lines = []
        if shutil.which("npm"):
            for name in ("registry", "cafile"):
                value = must("npm", "config", "get", name).strip()
                if value not in ("null", "undefined", ""):
                    lines.append(f"{name}={value}\n")
        npmrc.write_text("".join(lines))
        return ["--volume", f"{npmrc}:{HOME_IN_IMAGE}/.npmrc:ro", *(
            argument for path in MACHINE if os.path.exists(path)
            for argument in ("--volume", f"{path}:{path}:ro"))]

    def _base(self) -> None:
        """Named as the Dockerfile's FROM has it, so that it resolves without a registry."""
        if subprocess.run([self.program, "image", "exists", BASE]).returncode == 0:
            return
        archive = self.folder / "base.tar"
        must("mmdebstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", archive,
             timeout=BUILD_SECONDS_MAX)
        container = must("buildah", *self._storage(), "from", "scratch").strip()
        must("buildah", *self._storage(), "add", container, archive, "/")
        must("buildah", *self._storage(), "config", "--cmd", "/bin/bash", container)
        must("buildah", *self._storage(), "commit", "--format", "docker", container, BASE)
        must("buildah", *self._storage(), "rm", container)
