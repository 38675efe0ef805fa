"""One list of journeys, played on every carrier, with and without a media stream (docs/conformance.md)."""

import pytest

# The journeys assert, and are no test file: without this a red cell would not say what it saw.
pytest.register_assert_rewrite("tests.contract.conformance.journeys")
