from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('provisioning_app', '0006_add_graph_permission_findings'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='provisioningrun',
            index=models.Index(condition=models.Q(('status', 1)), fields=['tenant', 'queued_at'], name='run_by_queue'),
        ),
    ]
