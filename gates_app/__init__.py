"""Where a person must say yes: gates, stages, decisions and the rules of who may decide."""
