"""Build hook: wheels and sdists carry the built front end, so that installing them needs no Node."""

from __future__ import annotations

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontEndHook(BuildHookInterface[Any]):
    """Build `cnnwidgets/static` from `js/` where it is missing or older than its sources."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sys.path.insert(0, self.root)  # build backends do not see the folder that they build
        from tools import frontend

        self.frontend = frontend

    def dependencies(self) -> list[str]:
        """Ask for PyPI's Node only where there is something to build and no Node to build it with."""
        needed = self.frontend.is_stale() and self.frontend.node_on_path() is None
        return [self.frontend.NODE_WHEEL] if needed else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 the hook's signature
        """Build, except for an editable install: there `make` builds, and needs no Node to install."""
        if version != "editable":
            self.frontend.build()
