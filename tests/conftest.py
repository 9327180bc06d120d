"""Settings of all tests."""

from hypothesis import settings

# No deadline: the first call of a compiled loop may compile it. No database: tests leave nothing behind.
settings.register_profile("threadmill", deadline=None, database=None)
settings.load_profile("threadmill")
