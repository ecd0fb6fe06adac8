"""The metadata store: tables (schema), connection and migrations (database)."""

from doyen.core.store.database import Store, open_store

__all__ = ["Store", "open_store"]
