"""What the doctor says of this machine: archive, disk, descriptors."""

import asyncio
import json
from pathlib import Path

import pytest

from voicecall.doctor import Level
from voicecall.doctor.machine import archive_answers, judge_descriptors, judge_disk
from voicecall.settings import Settings, parse_settings


def settings(url: str = "", store: Path = Path("/nowhere")) -> Settings:
    config = {"provider": "mock", "store": str(store), "archive": {"url": url} if url else {}}
    return parse_settings(json.dumps(config))


def test_an_archive_that_is_not_there_yet_is_in_order(tmp_path: Path) -> None:
    """It is made when the first call ends, and not by the doctor."""
    assert asyncio.run(archive_answers(settings(store=tmp_path))).level is Level.OK
    assert list(tmp_path.iterdir()) == []


async def test_an_archive_that_cannot_be_opened_fails_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "calls.db").mkdir()
    found = await archive_answers(settings(store=tmp_path))
    assert (found.level, "has room" in found.remedy) == (Level.FAIL, True)


async def test_a_database_that_is_down_fails_without_its_password() -> None:
    found = await archive_answers(settings("postgresql://user:hidden@127.0.0.1:1/calls"))
    assert found.level is Level.FAIL
    assert "hidden" not in found.seen + found.remedy
    assert "server runs" in found.remedy


@pytest.mark.parametrize(("free_mib", "level"), [(5000, Level.OK), (900, Level.WARN), (50, Level.FAIL)])
def test_a_disk_is_judged_by_what_is_free(tmp_path: Path, free_mib: int, level: Level) -> None:
    """Of the folder that is there, if the store is not made yet."""
    found = judge_disk(tmp_path / "not" / "yet", free_mib << 20)
    assert (found.level, str(tmp_path) in found.seen) == (level, True)


@pytest.mark.parametrize(("limit", "level"), [(1024, Level.WARN), (1535, Level.WARN), (1536, Level.OK), (-1, Level.OK)])
def test_descriptors_are_judged_by_what_an_ingress_may_be_asked_for(limit: int, level: Level) -> None:
    """1,024 connections and 128 media sockets need three quarters of 1,536."""
    found = judge_descriptors(128, limit)
    assert found.level is level
    assert level is Level.OK or "1,536" in found.remedy
