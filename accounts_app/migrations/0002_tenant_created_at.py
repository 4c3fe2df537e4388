"""A tenant's time of creation is read from the clock that everything else reads; the columns stay as they are."""

from django.db import migrations, models

import core_app.clock

CREATED_AT = models.DateTimeField(default=core_app.clock.now, editable=False)


class Migration(migrations.Migration):
    dependencies = [("accounts_app", "0001_initial")]

    operations = [
        # On SQLite a field is altered by making its table anew, without its triggers
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField("historicaltenant", "created_at", CREATED_AT),
                migrations.AlterField("tenant", "created_at", CREATED_AT),
            ]
        )
    ]
