"""The guided form: a request in a few questions per step, with its zone beside them while they are answered."""
