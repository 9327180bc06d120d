import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"

# In a process of its own: Airflow keeps what it has loaded, and what is imported is what is asked.
LOAD = """
import sys
from airflow import plugins_manager
before = set(sys.modules)
plugins, errors = plugins_manager._load_plugins_from_plugin_directory(sys.argv[1])
assert not errors, errors
(plugin,) = plugins
(app,), (view,) = plugin.fastapi_apps, plugin.external_views
heavy = {"fastapi", "polars", "matplotlib", "duckdb", "airflow.api_fastapi.core_api.security", "dataset_pages"}
print(plugin.name, app["url_prefix"], view["href"], view["destination"], sorted(heavy & (set(sys.modules) - before)))
"""


@pytest.mark.parametrize(
    ("base_url", "href"),
    [("http://localhost:8080", "/threadmill/"), ("https://example.org/airflow/", "/airflow/threadmill/")],
)
def test_airflow_loads_the_plugin_and_nothing_heavy_with_it(base_url: str, href: str, tmp_path: Path) -> None:
    environment = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__API__BASE_URL": base_url,
        "PATH": "/usr/bin",
        "PYTHONWARNINGS": "ignore",
    }
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, str(PLUGINS)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines()[-1] == f"threadmill /threadmill {href} nav []"
