"""What Airflow hands to `execute`, as far as our operators look at it."""

from typing import Any, cast

from airflow.sdk import Context

from operators.reddit_params import reddit_params


def form(**values: Any) -> dict[str, Any]:
    """The params of a run: what the form holds when it is opened, and what somebody typed over it."""
    params = reddit_params()
    assert set(values) <= set(params), set(values) - set(params)
    return {name: param.resolve(values.get(name, param.value)) for name, param in params.items()}


def context(values: dict[str, Any] | None = None, **params: Any) -> Context:
    """A context with these params, and ``values`` beside them."""
    return cast(Context, {"params": form(**params), **(values or {})})
