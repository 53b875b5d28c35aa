from django.db import migrations, models


# What several people have ranked already is counted once, by the first look (quality.agreement).
MARK = """
    UPDATE feedback_unit SET has_new_judgements = true WHERE overlap > 1 AND EXISTS (
      SELECT FROM feedback_assignment AS assignment JOIN feedback_ranking AS ranking ON ranking.assignment_id = assignment.id
      WHERE assignment.unit_id = feedback_unit.id)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_preferences'),
        ('campaigns', '0007_chat'),
        ('feedback', '0009_chat'),
    ]

    operations = [
        migrations.AddField(
            model_name='unit',
            name='has_new_judgements',
            field=models.BooleanField(db_default=False, help_text='of several people: ranked, or a ranking corrected, since their agreement was counted'),
        ),
        migrations.AddIndex(
            model_name='unit',
            index=models.Index(condition=models.Q(('has_new_judgements', True), ('open_slots', 0)), fields=['id'], name='unit_newly_judged'),
        ),
        migrations.RunSQL(MARK, migrations.RunSQL.noop),
    ]
