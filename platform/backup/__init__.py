"""Backup of a workspace into one archive, its verification, and the restore into a new folder."""
