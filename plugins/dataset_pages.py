"""Pages on the datasets under the root: the list, each dataset's manifest, and the report where it is one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates

from threadmill.datasets import storage
from threadmill.datasets.catalog import dataset_uri, find_datasets
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest
from threadmill.errors import InputError, IntegrityError, ThreadmillError
from threadmill.reports import CARD_NAME, PAGE_NAME
from threadmill.reports.funnel import funnel, reason_words
from threadmill.settings import get_settings

# A report is our page, but full of other people's text: it may not run scripts, load anything or reach Airflow's pages.
REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
MOST_SHARDS = 200

signed_in = requires_authenticated()
_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_templates.env.filters.update(count=lambda value: f"{value:,}", words=reason_words)

application = FastAPI(title="Threadmill", dependencies=[Depends(signed_in)], docs_url=None, redoc_url=None, openapi_url=None)


@application.get("/", response_class=HTMLResponse)
def list_datasets(request: Request) -> Response:
    """All datasets under the root."""
    root = get_settings().root
    return _page(request, "datasets.html", {"root": root, "rows": [_row(root, path) for path in find_datasets(root)]})


@application.get("/datasets/{path:path}", response_class=HTMLResponse)
def show_dataset(request: Request, path: str) -> Response:
    """What a dataset's manifest says."""
    dataset = _open(path)
    manifest = dataset.manifest
    known = set(find_datasets(get_settings().root))
    values = {
        "path": path,
        "manifest": manifest,
        "settings": orjson.dumps(manifest.config, option=orjson.OPT_INDENT_2).decode(),
        "step": funnel([manifest])[0],
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "inputs": [(entry, _path_of(entry.uri, known)) for entry in manifest.inputs],
        "shards": manifest.shards[:MOST_SHARDS],
        "has_report": any(shard.name == PAGE_NAME for shard in manifest.shards),
        "has_card": any(shard.name == CARD_NAME for shard in manifest.shards),
    }
    return _page(request, "dataset.html", values)


@application.get("/reports/{path:path}", response_class=HTMLResponse)
def show_report(path: str) -> Response:
    """A report dataset's page, kept from doing anything but showing itself."""
    return HTMLResponse(
        _file(path, PAGE_NAME), headers={"Content-Security-Policy": REPORT_POLICY, "X-Content-Type-Options": "nosniff"}
    )


@application.get("/cards/{path:path}")
def show_card(path: str) -> Response:
    """A report dataset's card, as plain text."""
    return Response(_file(path, CARD_NAME), media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


@application.exception_handler(ThreadmillError)
def show_error(request: Request, error: ThreadmillError) -> Response:
    """What went wrong, as a page."""
    return _page(request, "error.html", {"message": str(error)}, status=404 if isinstance(error, InputError) else 500)


def _page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    # Airflow may serve us below a path of its own; root_path is where.
    context = {**values, "prefix": request.scope.get("root_path", "")}
    headers = {"Content-Security-Policy": PAGE_POLICY, "X-Content-Type-Options": "nosniff"}
    return _templates.TemplateResponse(request, template, context, status_code=status, headers=headers)


def _open(path: str) -> Dataset:
    return Dataset.open(dataset_uri(get_settings().root, path))


def _file(path: str, name: str) -> bytes:
    """A file of a dataset, if its manifest has one of that name."""
    dataset = _open(path)
    for shard in dataset.manifest.shards:
        if shard.name == name:
            return storage.read_bytes(dataset.path(shard))
    raise InputError(f"the dataset {path!r} has no {name}; it is of the stage {dataset.manifest.stage}")


def _row(root: str, path: str) -> dict[str, Any]:
    """A line of the list; a damaged manifest is one too."""
    try:
        manifest: Manifest | None = Dataset.open(storage.join(root, path)).manifest
        problem = ""
    except (IntegrityError, InputError) as error:
        manifest, problem = None, str(error)
    return {"path": path, "manifest": manifest, "problem": problem}


def _path_of(uri: str, known: set[str]) -> str | None:
    """The path of an input that is a dataset under the root, for a link to it."""
    path = uri.removeprefix(get_settings().root.rstrip("/") + "/")
    return path if path in known else None
