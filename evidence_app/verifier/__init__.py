"""The program that an examiner takes home: it stands alone and is copied into every bundle."""
