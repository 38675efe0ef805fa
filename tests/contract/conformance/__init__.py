"""One list of journeys, played on every carrier, with and without a media stream (docs/conformance.md)."""

import pytest

# The journeys assert outside of a test file: this makes a failed cell show its values.
pytest.register_assert_rewrite("tests.contract.conformance.journeys")
