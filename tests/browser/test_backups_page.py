"""The Backups page: what a person sees of snapshots. (The banner: tests/faults/test_damage.py, test_full_disk.py.)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.backup import Backups
from assistant.catalogue import Catalogue
from assistant.database import Database
from assistant.paths import Profile
from tests.conftest import Served, eventually
from tests.faults.siege import furnish

pytestmark = pytest.mark.browser

Serve = Callable[..., Served]


def opens_backups(page: Page) -> None:
    page.locator("#tab-settings-button").click()
    page.locator("#page-backups-button").click()


def test_a_snapshot_is_made_by_itself_and_a_person_makes_one_looks_into_it_and_restores_what_is_missing(
    serve: Serve, page: Page, tmp_path: Path
) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile.data_dir)
    served = serve()
    page.goto(served.address)
    backups = Backups(profile.database, profile.backups)
    assert eventually(lambda: len(backups.all()) == 1, within_seconds=60), "once the window can be used"
    opens_backups(page)
    page.locator("#backup-now").click()
    expect(page.locator("#backup-preview")).to_contain_text("Backed up, and checked")
    assert all(backups.is_good(snapshot) for snapshot in backups.all())
    choice = page.locator("#backup-choice label").filter(has_text="3 chats, 6 messages")
    choice.click()
    expect(page.locator("#backup-preview")).to_contain_text("Everything in this backup is here already.")
    expect(page.locator("#backup-restore")).not_to_be_visible()

    here = Database(profile.database, is_owner=False)
    catalogue = Catalogue(here)
    lost = catalogue.chats(limit=9)[0]
    catalogue.delete(lost.id)
    catalogue.erase_deleted()
    page.goto(served.fresh_address())
    opens_backups(page)
    choice.click()
    expect(page.locator("#backup-preview")).to_contain_text("Chats that come back: 1. Messages that come back: 2.")
    page.locator("#backup-restore").click()
    expect(page.locator("#backup-preview")).to_contain_text(
        "Restored. Chats that came back: 1. Messages that came back: 2."
    )
    assert lost.id in {chat.id for chat in catalogue.chats(limit=9)}
    here.close()
