"""What the tests share that run suites in this process."""

from tests.testing.conftest import loaded

__all__ = ["loaded"]
