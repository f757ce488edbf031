"""What is looked after once the window can be used: the chats' file is checked, a snapshot is made when one is due."""

from __future__ import annotations

import logging
import threading

from assistant.backup import Backups, Snapshot
from assistant.database import Database
from assistant.errors import StoreError
from assistant.merge import Difference, merge, preview
from assistant.rescue import Opened, damage, marker

log = logging.getLogger(__name__)

FIRST_LOOK_SECONDS = 4.0
LOOK_SECONDS = 3600.0
LONGEST_END_SECONDS = 1.0


class Caretaker:
    """Works in a thread of its own, which delays neither a start nor an end. `notices` is what to tell in a banner.

    What the page Backups does goes through here too: any thread may call it, everything may raise StoreError.
    """

    def __init__(self, opened: Opened, backups: Backups, *, is_ending: threading.Event) -> None:
        self.notices: tuple[StoreError, ...] = opened.notices
        self.database: Database = opened.database
        self.backups = backups
        self._is_checked = opened.is_checked
        self._is_ending = is_ending
        self._thread = threading.Thread(target=self._work, name="caretaker", daemon=True)

    def start(self) -> None:
        """Begins, after a while."""
        self._thread.start()

    def stop(self) -> None:
        """Gives up what is being done; what is half done leaves no trace."""
        self._is_ending.set()
        self._thread.join(LONGEST_END_SECONDS)

    def dismiss(self) -> None:
        """The notices were read."""
        self.notices = ()

    def back_up(self) -> Snapshot:
        """A snapshot now."""
        snapshot = self.backups.take()
        self.backups.rotate(self.database)
        return snapshot

    def preview(self, snapshot: Snapshot) -> Difference:
        """What restoring a snapshot would bring."""
        return preview(self.backups, snapshot, self.database)

    def restore(self, snapshot: Snapshot) -> Difference:
        """Brings back what is missing here."""
        return merge(self.backups, snapshot, self.database)

    def _work(self) -> None:
        pause = FIRST_LOOK_SECONDS
        while not self._is_ending.wait(pause):
            pause = LOOK_SECONDS
            try:
                self._look_after()
            except StoreError as error:
                if not self._is_ending.is_set():
                    log.warning("no snapshot was made: %s", error)
            except Exception:  # a border: the chats go on without it
                log.exception("the caretaker failed")

    def _look_after(self) -> None:
        path = self.database.path
        if path is None:
            return
        if not self._is_checked:
            self._is_checked = True
            if (found := damage(path)) is not None and not self._is_ending.is_set():
                log.error("the database is damaged inside: %s", found)
                marker(path).touch(mode=0o600)
                self.notices = (*self.notices, StoreError("store.damaged-inside"))
        if not marker(path).exists() and self.backups.is_due() and self._has_chats():
            self.back_up()

    def _has_chats(self) -> bool:
        with self.database.reading() as db:
            return db.execute("SELECT 1 FROM messages LIMIT 1").fetchone() is not None
