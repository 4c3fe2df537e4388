"""What happened, for good: the append-only ProvisioningLog, its chains, and their verification."""
