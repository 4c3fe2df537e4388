"""Who hears about what: an outbox that is written in the verb's transaction and delivered afterwards."""
