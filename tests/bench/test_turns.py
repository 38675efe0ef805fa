"""The argument of `turns:…`."""

import pytest

from bench import turns


@pytest.mark.parametrize("argument", ["telnix", "20:30", "plivo:none", "0", "plivo:"])
async def test_an_argument_that_names_no_carrier_and_no_crowd_is_refused(argument: str) -> None:
    """Refused before a stack is built: a misspelt carrier must not be measured as Twilio."""
    with pytest.raises(ValueError, match="turns takes twilio, telnyx, plivo, mock and a number of calls"):
        await turns.run(print, argument)
