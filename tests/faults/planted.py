"""Secrets that are planted where a controller meets them, and the search for them wherever it says something."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from canary.controller.names import MANAGER
from canary.ports import CANARY, EVENT, SECRET
from tests.api.harness import Harness
from tests.builders import secret

USER = "canary-of-the-tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What nobody may read: what pods are given, Slack's token, and what Prometheus is shown (a token, or a password).

    They look like nothing in particular, so that no mask knows them by their form: what is hidden was not said.
    """

    of_pods: str
    slack_token: str
    prometheus: str
    by_password: bool

    @classmethod
    def drawn(cls, seed: int) -> Planted:
        """Return those of a seed."""
        return cls(
            of_pods=f"hunter2-pods-{seed}",
            slack_token=f"hunter2-slack-{seed}",
            prometheus=f"hunter2-prometheus-{seed}",
            by_password=seed % 2 == 1,
        )

    def flags(self, folder: Path) -> list[str]:
        """Return the flags that tell a controller what to show to Prometheus."""
        if self.by_password:
            return ["--prometheus-user", USER]
        (folder / "token").write_text(self.prometheus, encoding="utf-8")
        return ["--prometheus-token-file", str(folder / "token")]

    @property
    def environment(self) -> Mapping[str, str]:
        """What a controller is told in its environment."""
        password = {"CANARY_PROMETHEUS_PASSWORD": self.prometheus} if self.by_password else {}
        return {"SLACK_BOT_TOKEN": self.slack_token, **password}

    def spellings(self) -> Iterator[str]:
        """Yield each secret as it is and as it is sent."""
        for text in (self.of_pods, self.slack_token, self.prometheus, f"{USER}:{self.prometheus}"):
            yield text
            yield b64encode(text.encode()).decode()

    def shown_in(self, places: Mapping[str, str]) -> list[str]:
        """Return the places in which one of them stands."""
        return sorted(where for where, text in places.items() if any(each in text for each in self.spellings()))

    # --- pods that are given a secret --------------------------------------------------------------------------------

    async def in_namespace(self, it: Harness) -> None:
        """Make the Secret that `pushed` refers to."""
        await it.people.know(SECRET)
        await it.people.apply(secret("db", namespace=it.namespace, password=self.of_pods))

    def pushed(self, it: Harness, tag: str, *, replicas: int | None = None, **annotations: str) -> dict[str, Any]:
        """Return a Deployment with it where Deployments have secrets: a Secret, the environment, annotations."""
        wanted = it.pushed(tag, replicas=replicas, track_config="all", **annotations)
        foreign = {"vault.example.com/from": f"https://user:{self.of_pods}@vault.example.com/"}
        wanted["metadata"]["annotations"] |= foreign
        template = wanted["spec"]["template"]
        template["metadata"]["annotations"] = {"example.com/token": self.of_pods}
        [container] = template["spec"]["containers"]
        container["env"] = [{"name": "PASSWORD", "value": self.of_pods}]
        container["envFrom"] = [{"secretRef": {"name": "db"}}]
        return wanted


def told_by(it: Harness) -> dict[str, str]:
    """Return what the controllers told of a namespace: Events, and the status and the messages of Canaries."""
    events = it.view.list(EVENT, it.namespace)
    return {
        "Events": yaml.safe_dump([each for each in events if each["reportingComponent"] == MANAGER]),
        "status": yaml.safe_dump([each.get("status") for each in it.view.list(CANARY, it.namespace)]),
    }
