"""What a kubelet needs from whatever runs pods: real processes in the demo, behaviour on a clock in tests."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from canary.errors import CanaryError
from meshes.contract import Manifest


class PodCrashed(CanaryError):
    """The pod's container ended instead of becoming ready; the kubelet restarts it."""


class ImageUnpullable(CanaryError):
    """The pod's image cannot be pulled; the kubelet tries again."""


class Runtime(Protocol):
    """Runs pods."""

    async def start(self, pod: Manifest) -> None:
        """Start the pod and return when it is ready; may take for ever, and is then cancelled.

        Raises `PodCrashed` each time its container ends, `ImageUnpullable` each time that a pull fails.
        """

    async def stop(self, pod: Manifest) -> None:
        """End the pod and return when it is gone; one that does not run is gone already."""


@runtime_checkable
class Attentive(Runtime, Protocol):
    """A runtime that can also tell when the container of a ready pod ends by itself."""

    async def ended(self, pod: Manifest) -> None:
        """Wait until the container of this ready pod ends; for ever when it does not."""
