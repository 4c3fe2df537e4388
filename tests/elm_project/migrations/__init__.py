"""The migrations of a version that has not been migrated to yet."""
