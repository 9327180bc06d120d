"""What a fake gRPC server does with a fault that is planned for a call; see `tests.fakes.faults.Fault`."""

import time
from typing import Any

import grpc

from tests.fakes.faults import Fault

_CODES = {
    "503": grpc.StatusCode.UNAVAILABLE,
    "429": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "500": grpc.StatusCode.INTERNAL,
    "403": grpc.StatusCode.PERMISSION_DENIED,
    "404": grpc.StatusCode.NOT_FOUND,
    "409": grpc.StatusCode.ALREADY_EXISTS,
}


def meet(fault: Fault | None, context: Any) -> None:
    """Before the call is done: ends it where the fault says so."""
    if fault is None:
        return
    if fault.kind == "timeout":
        time.sleep(fault.seconds)
        context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was closed")
    if fault.kind in _CODES:
        context.abort(_CODES[fault.kind], f"injected fault {fault.kind}")


def lose(fault: Fault | None, context: Any) -> None:
    """After the call is done: its answer never arrives, where the fault says so."""
    if fault is not None and fault.kind == "lost_response":
        context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was closed")
