import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0002_preferences'),
        ('campaigns', '0007_chat'),
        ('feedback', '0010_newly_judged'),
    ]

    operations = [
        migrations.CreateModel(
            name='Agreement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('num_pairs', models.PositiveIntegerField(help_text='pairs that this ranking and another both order, added up over the others')),
                ('num_same', models.PositiveIntegerField(help_text='of these, ordered the same way')),
                ('annotator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.annotator')),
                ('assignment', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='feedback.assignment')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='campaigns.campaign')),
            ],
            options={
                'indexes': [models.Index(fields=['annotator', 'campaign'], include=('num_pairs', 'num_same'), name='agreement_of_annotator')],
                'constraints': [models.CheckConstraint(condition=models.Q(('num_same__lte', models.F('num_pairs'))), name='agreement_within_its_pairs')],
            },
        ),
    ]
