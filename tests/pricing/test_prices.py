"""List prices: each with its unit and source, regions of their own, and the deployment's file instead."""

from pathlib import Path

import pytest

from threadmill.errors import ConfigError
from threadmill.pricing.prices import load_prices


def test_each_price_says_what_it_is_of_where_it_was_read_and_when() -> None:
    prices = load_prices()
    for name in prices.names:
        price = prices.of(name)
        assert price.value > 0, name
        assert price.unit, name
        assert price.source, name
        assert price.date, name
        assert price.confirmed or price.note, name


def test_a_region_has_its_own_price_or_the_default_one() -> None:
    prices = load_prices()
    assert prices.of("tpu.v5e", "europe-west4").value == 1.56
    assert prices.of("tpu.v5e", "nowhere").value == prices.of("tpu.v5e").value == 1.20
    assert prices.of("tpu.v5e_spot", "us-central1").value == 0.60


def test_a_file_of_prices_replaces_what_it_tells_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        '[tpu.v5e]\ndefault = 0.9\n[storage.standard.regions]\nus-east4 = 0.019\n[tpu.v7]\nunit = "chip-hour"\ndefault = 9\n'
    )
    prices = load_prices(str(path))
    assert (prices.of("tpu.v5e", "europe-west4").value, prices.of("tpu.v5e").source) == (0.9, "ours.toml")
    assert (prices.of("storage.standard", "us-east4").value, prices.of("storage.standard", "us-west2").value) == (0.019, 0.023)
    assert prices.of("tpu.v7").unit == "chip-hour"
    assert prices.of("bigquery.query") == load_prices().of("bigquery.query")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tpu.v5e]\ndefualt = 1\n", "it may have"),
        ("[tpu.v9]\ndefault = 1\n", "must tell default and unit"),
        ('[tpu.v5e]\ndefault = "1"\n', "must be a number of US dollars"),
        ("[tpu.v5e]\ndefault = -1\n", "must be a number of US dollars"),
        ("tpu = 1\n", "is no table of prices"),
        ("[tpu\n", "is no table of prices"),
    ],
)
def test_a_file_of_prices_with_a_slip_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_prices(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_of_prices_that_is_not_there_and_a_price_that_is_not_known_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_prices(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="no price of tpu"):
        load_prices().of("tpu.v9")
