"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# Machines differ and are shared: how long an example takes is not what is tested.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
