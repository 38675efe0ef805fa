"""The argument of `preemptive:…`."""

import pytest

from bench import preemptive


@pytest.mark.parametrize("argument", ["0", "-1", "twilio", "2:3"])
async def test_an_argument_that_is_no_number_of_rounds_is_refused(argument: str) -> None:
    """Before the stacks are started."""
    with pytest.raises(ValueError, match="preemptive takes a number of rounds"):
        await preemptive.run(print, argument)
