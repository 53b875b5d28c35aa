"""What was imported is counted without a day: nobody submitted it on the day of the import."""

from importlib import import_module

from django.db import migrations

tally = import_module("annotate.feedback.migrations.0003_tally")
TABLES = {"feedback_demonstration": "demonstrations", "feedback_ranking": "rankings"}
DAY = "(created_at AT TIME ZONE 'UTC')::date"
GIVEN_DAY = f"CASE WHEN assignment_id IS NOT NULL THEN {DAY} END"
REPLACE = """
CREATE OR REPLACE FUNCTION {table}_tally_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {add};
    RETURN NULL;
END $$;
"""
MOVE = """
INSERT INTO feedback_tally (campaign_id, name, day, num)
SELECT campaign_id, '{name}', {old}, -count(*) FROM {table} WHERE assignment_id IS NULL GROUP BY campaign_id, {old}
UNION ALL
SELECT campaign_id, '{name}', {new}, count(*) FROM {table} WHERE assignment_id IS NULL GROUP BY campaign_id, {new}
"""


def _count(schema_editor, old: str, new: str) -> None:
    for table, name in TABLES.items():
        counted = tally.COUNTED[table][0].replace(DAY, new)
        more, gone = counted.format(rows="new_rows"), counted.format(rows="old_rows")
        less = f"SELECT campaign_id, name, day, -num AS num FROM ({gone}) AS gone"
        changes = {"insert": more, "delete": less, "update": f"{more} UNION ALL {less}"}
        for event, change in changes.items():
            add = tally.ADD.format(counted=change)
            schema_editor.execute(REPLACE.format(table=table, event=event, add=add), params=None)
        schema_editor.execute(MOVE.format(table=table, name=name, old=old, new=new), params=None)


def count_without_a_day(apps, schema_editor):
    _count(schema_editor, DAY, GIVEN_DAY)


def count_by_day(apps, schema_editor):
    _count(schema_editor, GIVEN_DAY, DAY)


class Migration(migrations.Migration):

    dependencies = [("feedback", "0012_margin")]

    operations = [migrations.RunPython(count_without_a_day, count_by_day)]
