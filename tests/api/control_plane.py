"""Starts a real control plane for tests, on free ports of 127.0.0.1, with RBAC on; it leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml

from canary.sandbox.processes import die_with_parent
from tests.api.audit import audit_flags

ADMIN_TOKEN = "admin-of-the-tests"
PATIENCE_S = 90.0
MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3
GOGC = "300"
"""How far a program's heap may grow until Go collects it, in percent; at 100, its own choice, a busy API server is at
that for an eighth of its time."""
CONTROLLERS = (
    "deployment",
    "replicaset",
    "endpoint",
    "endpointslice",
    "garbagecollector",
    "namespace",
    "horizontalpodautoscaling",
    "disruption",
    "podgc",
    "root-ca-cert-publisher",
    "serviceaccount",
    "serviceaccount-token",
)
"""Those that see or change what a canary is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A running control plane: its address, a kubeconfig of an administrator, and the folder it lives in."""

    url: str
    kubeconfig: Path
    folder: Path
    etcd: str
    apiserver: Program

    def kubeconfig_at(self, url: str) -> Path:
        """Write and return the kubeconfig of the administrator who comes by another address."""
        path = self.folder / "elsewhere.kubeconfig"
        path.write_text(_kubeconfig(url, ADMIN_TOKEN), encoding="utf-8")
        return path

    def stop_apiserver(self) -> None:
        """End the API server as SIGKILL does: every connection is cut."""
        self.apiserver.kill()

    def start_apiserver(self) -> None:
        """Start the API server again, on the same port and etcd. Call it on the main thread, as `Program.start`."""
        self.apiserver.start()

    def until_ready(self) -> None:
        """Return once the API server is ready."""
        _until_answers(f"{self.url}/readyz")

    def kubeconfig_for(self, name: str, token: str) -> Path:
        """Write and return the kubeconfig of whoever holds `token`."""
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(_kubeconfig(self.url, token), encoding="utf-8")
        return path


@dataclass(slots=True, kw_only=True)
class Program:
    """One program of the control plane; it may be ended and started again.

    It ends with the thread that started it, hence with the tests however those were killed.
    """

    binary: Path
    folder: Path
    flags: list[str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with (self.folder / f"{self.binary.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binary), *self.flags],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"GOGC": GOGC, **os.environ},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def control_plane(assets: Path) -> Iterator[ControlPlane]:
    """Run etcd, kube-apiserver and kube-controller-manager from `assets` until the block ends."""
    made = tempfile.TemporaryDirectory(prefix="control-plane-", dir=_quick_folder())
    with made as name, contextlib.ExitStack() as started:
        folder = Path(name)
        port = free_port()
        url, etcd = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        kubeconfig = folder / "admin.kubeconfig"
        kubeconfig.write_text(_kubeconfig(url, ADMIN_TOKEN), encoding="utf-8")
        (folder / "tokens.csv").write_text(f"{ADMIN_TOKEN},admin,admin,system:masters\n", encoding="utf-8")
        _make_keys(folder)
        started.enter_context(Program(binary=assets / "etcd", folder=folder, flags=_etcd_flags(folder, etcd)))
        _until_answers(f"{etcd}/health")
        apiserver = Program(binary=assets / "kube-apiserver", folder=folder, flags=_apiserver_flags(folder, etcd, port))
        started.enter_context(apiserver)
        _until_answers(f"{url}/readyz")
        manager = assets / "kube-controller-manager"
        started.enter_context(Program(binary=manager, folder=folder, flags=_manager_flags(folder, kubeconfig)))
        yield ControlPlane(url=url, kubeconfig=kubeconfig, folder=folder, etcd=etcd, apiserver=apiserver)


def _make_keys(folder: Path) -> None:
    """Write the key that signs tokens, and a certificate for the API server on a curve: it is shaken hands with
    thousands of times, and with RSA, which it would take for itself, that is a tenth of its time while little happens.
    """
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=kube-apiserver", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", f"{folder}/apiserver.key", "-out", f"{folder}/apiserver.crt"]
    for words in (["genrsa", "-out", f"{folder}/sa.key", "2048"], ["req", "-x509", *curve, *names, *files]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)


def _quick_folder() -> Path | None:
    """Return a folder in memory if there is one with room, else None: etcd waits for its disk with each write."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _etcd_flags(folder: Path, etcd: str) -> list[str]:
    peer = f"http://127.0.0.1:{free_port()}"
    return [
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={etcd}",
        f"--advertise-client-urls={etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _apiserver_flags(folder: Path, etcd: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--disable-admission-plugins=ServiceAccount",
        *audit_flags(folder),
    ]


def _manager_flags(folder: Path, kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={folder}/sa.key",
        "--leader-elect=false",
        f"--controllers={','.join(CONTROLLERS)}",
        # Its own default, 20 requests a second for each controller, is what ten scenarios at a time would wait for.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--secure-port={free_port()}",
        "--port=0",
        "--bind-address=127.0.0.1",
        f"--cert-dir={folder}/manager-certs",
    ]


def _until_answers(url: str) -> None:
    """Wait until a server answers 200. Its certificate is one that it made for itself a moment ago."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    deadline = time.monotonic() + PATIENCE_S
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5, context=trusting if url.startswith("https") else None):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} did not answer in {PATIENCE_S} s: {error}") from error
        time.sleep(0.1)


def _kubeconfig(url: str, token: str) -> str:
    named = "tests"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": named,
            "clusters": [{"name": named, "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": named, "user": {"token": token}}],
            "contexts": [{"name": named, "context": {"cluster": named, "user": named}}],
        }
    )


def assets_folder() -> Path | None:
    """Return the folder that KUBEBUILDER_ASSETS names, None when it is not set."""
    named = os.environ.get("KUBEBUILDER_ASSETS", "")
    return Path(named) if named else None
