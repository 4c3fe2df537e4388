"""Who people are and what they may see: tenants, business units, users, roles and scope."""
