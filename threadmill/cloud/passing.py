"""The errors of Google's REST services that pass by themselves: the same call can succeed seconds later."""

import requests.exceptions
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

PASSING_ERRORS = (
    ConnectionError,
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    auth_exceptions.TransportError,
)
