"""The apex and the other Services of the target's pods as the rules see them: where they lead, by EndpointSlices."""

from __future__ import annotations

from collections.abc import Sequence

from canary.controller import pods as podlist
from canary.controller.drift import editor, setter
from canary.controller.services import Around, is_narrow, picks, selects
from canary.controller.sides import Sight, present_pods, primary_pods
from canary.rollout.model import SOMEBODY, Apex
from meshes.contract import Manifest


def apex_now(sight: Sight, around: Around, target: Manifest | None) -> Apex:
    """Return where the Services lead now."""
    if around.apex is None:
        return Apex(exists=False, narrow=bool(around.others), primary_only=False)
    services = (around.apex, *around.others)
    pods = primary_pods(sight)
    namespace = sight.plan.namespace
    behind = [podlist.listed_behind(sight.cluster, namespace, one["metadata"]["name"]) for one in services]
    wide = [one for one in services if not is_narrow(one, sight.plan.target)]
    no_other = all(podlist.lists_no_other(listed, pods) for listed in behind)
    return Apex(
        exists=True,
        narrow=not wide,
        wide=wide[0]["metadata"]["name"] if wide else "",
        widened_by=_widened_by(wide[0]) if wide else SOMEBODY,
        primary_only=no_other and _lead_to(services, behind, pods),
        no_other=no_other,
        unlisted=_unlisted(sight, target, services, behind) if wide and target is not None else "",
    )


def _lead_to(services: Sequence[Manifest], behind: Sequence[podlist.Listed], pods: Sequence[Manifest]) -> bool:
    """Return whether the apex, the first Service, leads to pods, and so does each other that picks one of them.

    One by a label that a newer version has, and the primary's has not, leads to nobody until that is promoted.
    """
    ready = [pod for pod in pods if podlist.is_ready(pod)]
    others = zip(services[1:], behind[1:], strict=True)
    return bool(behind[0].ready) and all(listed.ready or not picks(service, ready) for service, listed in others)


def _unlisted(sight: Sight, target: Manifest, services: Sequence[Manifest], behind: Sequence[podlist.Listed]) -> str:
    """Return the first Service whose requests would not all find the target's pods, "" for none.

    One that is somebody else's by now is not waited for: it would never list them.
    """
    ready = [pod for pod in present_pods(sight.cluster, target) if podlist.is_ready(pod)]
    for service, listed in zip(services, behind, strict=True):
        if listed.ready and selects(service, sight.plan, target) and not all(listed.lists(pod) for pod in ready):
            return str(service["metadata"]["name"])
    return ""


def _widened_by(service: Manifest) -> str:
    """Return who owns the selector; who takes keys out of it need not own any, and is then the newest writer."""
    by = setter(service, "selector")
    return editor(service) if by == SOMEBODY else by
