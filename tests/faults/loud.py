"""`canary` with every line that it and the packages under it can log: `python -m tests.faults.loud run ...`."""

from __future__ import annotations

import functools
import importlib
import logging

from canary import logs


def main() -> None:
    """Do as `canary` does, at the level debug."""
    quiet = logs.set_up

    @functools.wraps(quiet)
    def loud(log_format: logs.LogFormat) -> None:
        quiet(log_format, level=logging.DEBUG)
        logging.getLogger().setLevel(logging.DEBUG)

    logs.set_up = loud  # type: ignore[assignment]  # before the commands take it from there
    importlib.import_module("canary.cli.main").main()


if __name__ == "__main__":
    main()
