"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# No deadline: the first call of a compiled loop may compile it. No database: tests leave nothing behind. Slow is what a
# loaded machine is, not a fault of the test.
settings.register_profile("threadmill", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("threadmill")
