from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('requests_app', '0002_widen_numbers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='environmentrequest',
            index=models.Index(fields=['state', 'approved_on'], name='request_by_state'),
        ),
    ]
