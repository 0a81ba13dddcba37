"""Mistakes that users make, each as a change of sound manifests, and what lint must say of it.

The line that a finding must name is the one that ends in `#!`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.lint.model import Level

FILE = "checkout.yaml"
HERE = "#!"
SOUND = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop
  annotations:
    canary.delivery/enabled: "true"
spec:
  selector:
    matchLabels: {app: checkout}
  template:
    metadata:
      labels: {app: checkout}
    spec:
      containers:
        - name: app
          image: registry.example/shop/checkout:1.0.0
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet: {path: /healthz, port: http}
---
apiVersion: v1
kind: Service
metadata:
  name: checkout
  namespace: shop
spec:
  selector: {app: checkout}
  ports:
    - name: http
      port: 80
      targetPort: http
"""
ENABLED = '    canary.delivery/enabled: "true"\n'
SELECTOR = "  selector: {app: checkout}\n"
POD = "    spec:\n      containers:"
PORT = "    - name: http\n      port: 80\n      targetPort: http\n"
DEPLOYMENT, SERVICE = "Deployment shop/checkout", "Service shop/checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mistake: `change` maps text of the sound manifests to what stands there instead, `more` is added.

    `allowed` and `remedy` are parts of what the finding says.
    """

    rule: str
    key: str
    found: str
    allowed: str
    remedy: str
    object: str = DEPLOYMENT
    level: Level = Level.FAULT
    change: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    mesh: str = "istio"

    @property
    def text(self) -> str:
        """The manifests with the mistake."""
        text = SOUND
        for sound, wrong in self.change.items():
            assert text.count(sound) == 1, sound
            text = text.replace(sound, wrong)
        return f"{text}---\n{self.more}" if self.more else text

    @property
    def line(self) -> int:
        """The line that is to be named."""
        lines = self.text.splitlines()
        [marked] = [at for at, line in enumerate(lines, start=1) if line.endswith(HERE)]
        return marked


def annotated(key: str, value: str) -> dict[str, str]:
    """Return the change that adds an annotation."""
    return {ENABLED: f"{ENABLED}    canary.delivery/{key}: {value} {HERE}\n"}


def thing(api_version: str, kind: str, spec: str, name: str = "checkout") -> str:
    """Return another object of the namespace; `spec` is its spec, indented by two."""
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: shop\nspec:\n{spec}"
