"""The steps of the plan, one file each: look, change what differs, read back (elm.md §6)."""
