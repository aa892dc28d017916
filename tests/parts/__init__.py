"""The real servers that the tests run against, each a small class with `start()` and `stop()`."""
