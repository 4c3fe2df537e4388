"""What an auditor takes from a list."""
