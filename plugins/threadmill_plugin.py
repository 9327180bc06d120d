"""The Threadmill plugin of the Airflow UI: an entry in the navigation that lists the datasets under the root.

Every Airflow process loads the plugins folder, so this module imports next to nothing: the web application behind the
entry is built when the API server hands it its first request.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/threadmill"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class LazyApplication:
    """An ASGI application that builds the real one at its first call."""

    def __init__(self) -> None:
        self._application: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on."""
        if self._application is None:
            from plugins.dataset_pages import application

            self._application = application
        await self._application(scope, receive, send)


def _href() -> str:
    """The pages' path on this server, which may serve Airflow below a path of its own."""
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{base}{URL_PREFIX}/"


class ThreadmillPlugin(AirflowPlugin):
    """Mounts the dataset pages and links them in the navigation."""

    name = "threadmill"
    fastapi_apps = [{"app": LazyApplication(), "url_prefix": URL_PREFIX, "name": "Threadmill"}]  # noqa: RUF012 - Airflow's
    external_views = [  # noqa: RUF012
        {
            "name": "Datasets",
            "href": _href(),
            "destination": "nav",
            "category": "browse",
            "url_route": "threadmill",
        }
    ]
