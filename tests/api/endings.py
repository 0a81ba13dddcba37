"""How scenarios on a real control plane end, where more than one test says so."""

from __future__ import annotations

from canary.ports import CANARY, CONTROLLER_REVISION, DEPLOYMENT, SERVICE, Watched
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import ObjectRef
from tests.api.harness import Harness


async def gave_back(it: Harness, tag: str, replicas: int = 3) -> None:
    """Wait until the Deployment serves by itself, and nothing of ours is left."""
    await it.until(lambda: it.live(CANARY) is None)
    await it.until(lambda: it.live(DEPLOYMENT, "checkout-primary") is None)
    await it.until(lambda: it.live(VIRTUAL_SERVICE) is None and it.live(SERVICE, "checkout-canary") is None)
    await it.until(lambda: it.serving("checkout") == (tag, replicas))
    await it.until(lambda: not stored(it))
    apex, target = it.live(SERVICE), it.live(DEPLOYMENT)
    assert apex is not None
    assert target is not None
    assert apex["spec"]["selector"] == {"app": "checkout"}
    assert not target["spec"].get("paused", False)
    assert [label for label in target["metadata"]["labels"] if label.startswith("canary.delivery/")] == []


def finalizers_at_deletion(it: Harness, ref: ObjectRef) -> list[str]:
    """Return the list that the object's finalizers will be put into, as they stand when its deletion is first told."""
    found: list[str] = []

    def note(event: Watched) -> None:
        if event.ref == ref and not found and "deletionTimestamp" in event.manifest["metadata"]:
            found.extend(event.manifest["metadata"].get("finalizers") or ())

    it.view.subscribe(note)
    return found


def stored(it: Harness) -> list[str]:
    """The names of the templates that are kept."""
    return [each["metadata"]["name"] for each in it.view.list(CONTROLLER_REVISION, it.namespace)]
