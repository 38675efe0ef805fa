"""Announced ends of models: for information at first, a warning when they come near."""

import logging
from datetime import date, timedelta

import pytest

from voicecall.speech.retiring import RETIRING, warn_if_retiring


@pytest.mark.parametrize("model", RETIRING)
@pytest.mark.parametrize(
    ("days", "level"), [(400, "INFO"), (61, "INFO"), (60, "WARNING"), (0, "WARNING"), (-5, "WARNING")]
)
def test_c18_an_end_far_away_is_no_warning_in_a_healthy_start(
    model: str, days: int, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    day = date.fromisoformat(RETIRING[model][0]) - timedelta(days=days)
    with caplog.at_level(logging.INFO):
        warn_if_retiring(model, day)
    assert [record.levelname for record in caplog.records] == [level]


def test_c18_other_models_are_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        warn_if_retiring("a-model-of-your-own")
    assert caplog.records == []
