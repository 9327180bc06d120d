import subprocess
import sys

FREED = """
import numpy as np
from threadmill.engine.memory import return_freed_memory

def resident() -> int:
    return int(open("/proc/self/statm").read().split()[1]) * 4096

held = [bytearray(50_000) for _ in range(4000)]  # too small for memory of their own
last = bytearray(50_000)  # lies above them, so that nothing is given back by itself
del held
before = resident()
return_freed_memory()
print(before - resident())
"""


def test_freed_memory_goes_back_to_the_system() -> None:
    freed = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(freed.stdout) > 100_000_000
