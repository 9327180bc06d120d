"""What a run's datasets cost in Cloud Storage: a month of their bytes, and the operations that write and read them."""

from collections.abc import Iterator

from threadmill.pricing.amounts import Amounts
from threadmill.pricing.lines import ASSUMED, Line, least_sure
from threadmill.pricing.prices import Prices
from threadmill.settings import Settings

_WRITES = 4  # an object's: the shard, its receipt, and what is listed and renamed
_READS = 12  # an object's: in ranges, and for its size and digest
ASSUMPTION = f"Cloud Storage: {_WRITES} writing and {_READS} reading operations a shard; no data leaves the region"


def storage_lines(found: Amounts, settings: Settings, prices: Prices) -> Iterator[Line]:
    """The lines of Cloud Storage."""
    size, objects = (sum(getattr(stage, name) for stage in found.stages.values()) for name in ("bytes", "objects"))
    known = least_sure(*(stage.known for stage in found.stages.values()))
    yield Line("all", "Cloud Storage, a month", size / 1e9, prices.of("storage.standard", settings.region), known)
    for item, name, each in (("writing", "class_a", _WRITES), ("reading", "class_b", _READS)):
        price = prices.of(f"storage.{name}", settings.region)
        yield Line("all", f"Cloud Storage, {item}", objects * each / 1000, price, ASSUMED, ASSUMPTION)
