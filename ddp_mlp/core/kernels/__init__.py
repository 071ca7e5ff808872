"""Every jitted function of the package, and the only place that knows Numba.

Importing this room compiles nothing, but importing one of its modules decorates functions
with the cache directory that `numba.config.CACHE_DIR` then names: call `cache.open_cache`
first.
"""
