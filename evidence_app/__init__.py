"""What an examiner takes home: exports of the log and of what it is about, complete or not there at all."""
