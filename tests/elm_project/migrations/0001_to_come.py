"""Comes with the next version."""

from django.db import migrations


class Migration(migrations.Migration):
    """Does nothing yet."""

    initial = True
