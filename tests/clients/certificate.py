"""A certificate for servers on 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def certificate_in(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signed itself, with its key, in one file."""
    file = folder / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    form = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made = subprocess.run(
        ["openssl", "req", *form, *subject, "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    file.write_bytes(made.stdout)
    return file


def serving(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs to show this certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls
