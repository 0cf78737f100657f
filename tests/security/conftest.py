"""The running application with two teams, as in the tests of the API."""

from tests.integration.api.conftest import world

__all__ = ["world"]
