"""A controller that may not read Secrets. It needs a control plane to itself: the right is everybody's."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from meshes.contract import Kind, ObjectRef
from tests.api.configured import onboarded
from tests.api.harness import Harness

pytestmark = pytest.mark.xdist_group("api")

ROLE = Kind("rbac.authorization.k8s.io", "ClusterRole")


async def test_without_the_right_to_secrets_only_their_canary_waits(at_work: Harness) -> None:
    await at_work.people.know(ROLE)
    [role] = [one for one in await at_work.people.listed(ROLE) if one["metadata"]["name"] == "canary-controller"]
    without = [rule for rule in role["rules"] if rule["resources"] != ["secrets"]]
    ref = ObjectRef(ROLE, "", "canary-controller")
    await at_work.people.patch(ref, {"rules": without})
    try:
        await onboarded(at_work, track_config="all")
        await at_work.until(lambda: "Secrets in" in at_work.status.message)
        assert "forbidden" in at_work.status.message
        assert at_work.size() == 3
    finally:
        await at_work.people.patch(ref, {"rules": role["rules"]})
    await at_work.until_phase(Phase.INITIALIZED)
