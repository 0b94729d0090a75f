"""``create_engine("postgresql+psycopg://…/shop?plugin=pgslo")`` makes an engine that is watched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine
from sqlalchemy.engine import CreateEnginePlugin

from pgslo.client.watching import watch

_OPTION = "pgslo_on_warning"


class Plugin(CreateEnginePlugin):
    """Watch the engine; ``pgslo_on_warning=raise`` in the URL, or a keyword of that name, replaces ``warn``."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        self._on_warning: Any = kwargs.pop(_OPTION, None) or url.query.get(_OPTION) or "warn"

    def update_url(self, url: URL) -> URL:
        """Take the plugin's own option out of the driver's options."""
        return url.difference_update_query([_OPTION])

    def engine_created(self, engine: Engine) -> None:
        """Watch a new engine.

        Raises:
            TypeError: The engine is not on psycopg 3.
            ValueError: The option is neither ``warn`` nor ``raise``.
        """
        watch(engine, on_warning=self._on_warning)
