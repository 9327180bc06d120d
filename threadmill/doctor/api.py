"""Calls to the REST APIs that the doctor asks, with a time-out, a few retries, and errors of one line."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from threadmill.cloud.credentials import Access
from threadmill.errors import ThreadmillError

ENDPOINT = "THREADMILL_APIS_ENDPOINT"  # of a server that speaks for all of them, each below a folder of its name

_BASES = {
    "serviceusage": "https://serviceusage.googleapis.com",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com",
    "compute": "https://compute.googleapis.com",
    "iam": "https://iam.googleapis.com",
    "tpu": "https://tpu.googleapis.com",
    "storage": "https://storage.googleapis.com",
    "bigquery": "https://bigquery.googleapis.com",
}
_SECONDS = 10.0  # of one call
_TRIES = 3
_PASSING = frozenset({429, 500, 502, 503, 504})  # https://cloud.google.com/apis/design/errors#error_retries
_MOST_PAGES = 20


class ApiError(ThreadmillError):
    """A service refused a call.

    Attributes:
        status: of HTTP; 0 where no answer came.
    """

    def __init__(self, service: str, status: int, message: str) -> None:
        super().__init__(f"{service} answered {status}: {message}" if status else f"{service} did not answer: {message}")
        self.service, self.status = service, status


@dataclass(frozen=True)
class Api:
    """The APIs, with one identity. Threads may use it side by side.

    Attributes:
        access: whose calls they are, and the project.
        pause: seconds before the second try; twice as long before the third.
    """

    access: Access
    pause: float = 0.5

    def get(self, service: str, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON at ``path``. Raises ApiError."""
        return self._call("GET", service, path, params=params)

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to ``body``; of calls that change nothing. Raises ApiError."""
        return self._call("POST", service, path, body=body)

    def pages(self, service: str, path: str, key: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The entries of a list, page after page. Raises ApiError."""
        token = ""
        for _ in range(_MOST_PAGES):
            page = self.get(service, path, {**(params or {}), **({"pageToken": token} if token else {})})
            yield from page.get(key, ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _call(self, method: str, service: str, path: str, **given: Any) -> dict[str, Any]:
        failure = ApiError(service, 0, "no try")
        for number in range(_TRIES):
            if number:
                time.sleep(self.pause * 2 ** (number - 1))
            try:
                return self._once(method, service, path, **given)
            except ApiError as error:
                if error.status and error.status not in _PASSING:
                    raise
                failure = error
        raise failure

    def _once(
        self,
        method: str,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        import requests
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import AuthorizedSession

        try:
            with AuthorizedSession(self.access.credentials) as session:  # type: ignore[no-untyped-call]
                url = _base(service) + path
                answer = session.request(method, url, params=params, json=body, timeout=_SECONDS)  # type: ignore[no-untyped-call]
        except GoogleAuthError as error:
            raise ApiError(service, 401, str(error).splitlines()[0]) from error
        except requests.RequestException as error:
            raise ApiError(service, 0, type(error).__name__) from error
        if answer.status_code >= 400:
            raise ApiError(service, answer.status_code, _message(answer))
        return dict(answer.json()) if answer.content else {}


def _base(service: str) -> str:
    endpoint = os.environ.get(ENDPOINT, "").rstrip("/")
    return f"{endpoint}/{service}" if endpoint else _BASES[service]


def _message(answer: Any) -> str:
    """What the service says, in one line."""
    try:
        return str(answer.json()["error"]["message"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        return str(answer.reason)
