"""The arguments of `interruption:…`, `share:…` and `truncation:…`."""

import pytest

from bench import interruption, share, truncation


@pytest.mark.parametrize("bench", [interruption, share, truncation])
@pytest.mark.parametrize("argument", ["0", "many", "-3", "3.5"])
async def test_an_argument_that_is_no_number_of_calls_is_refused(bench: object, argument: str) -> None:
    """Before a stack is built."""
    with pytest.raises(ValueError, match=f"takes a number of calls, not {argument}"):
        await bench.run(print, argument)  # type: ignore[attr-defined]
