"""Triggers that count what campaigns hold: see models.Tally."""

from django.db import migrations

# On the day it was submitted; nobody submitted on the day of the import what was imported.
DAY = "CASE WHEN assignment_id IS NOT NULL THEN (created_at AT TIME ZONE 'UTC')::date END"
# For each table: what some of its rows ({rows}) add to which tally, and whether a change of a row can change that.
COUNTED = {
    "feedback_unit": (
        """SELECT campaign_id, 'units' AS name, NULL::date AS day, 1 AS num FROM {rows}
        UNION ALL SELECT campaign_id, 'open', NULL, 1 FROM {rows} WHERE open_slots > 0""",
        True,
    ),
    "feedback_demonstration": (
        f"""SELECT campaign_id, 'demonstrations' AS name, {DAY} AS day, 1 AS num FROM {{rows}}
        UNION ALL SELECT campaign_id, 'surplus', NULL, 1 FROM {{rows}} WHERE is_surplus
        UNION ALL SELECT campaign_id, 'returned', NULL, 1 FROM {{rows}}
        WHERE NOT is_surplus AND review_state = 'returned'""",
        True,
    ),
    "feedback_ranking": (
        f"""SELECT campaign_id, 'rankings' AS name, {DAY} AS day, 1 AS num FROM {{rows}}
        UNION ALL SELECT campaign_id, 'surplus', NULL, 1 FROM {{rows}} WHERE is_surplus
        UNION ALL SELECT campaign_id, 'returned', NULL, 1 FROM {{rows}}
        WHERE NOT is_surplus AND review_state = 'returned'""",
        True,
    ),
    "feedback_review": (f"SELECT campaign_id, 'reviews' AS name, {DAY} AS day, 1 AS num FROM {{rows}}", False),
    "feedback_comparison": (
        "SELECT campaign_id, 'comparisons' AS name, NULL::date AS day, 1 AS num FROM {rows}",
        False,
    ),
    "campaigns_prompt": (
        "SELECT campaign_id, 'prompts' AS name, NULL::date AS day, 1 AS num FROM {rows}",
        False,
    ),
    "campaigns_completion": (
        """SELECT prompt.campaign_id, 'completions' AS name, NULL::date AS day, 1 AS num
        FROM {rows} AS completion JOIN campaigns_prompt AS prompt ON prompt.id = completion.prompt_id""",
        False,
    ),
}
TRIGGER = """
CREATE FUNCTION {table}_tally_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feedback_tally (campaign_id, name, day, num)
    SELECT campaign_id, name, day, sum(num) FROM ({counted}) AS counted
    GROUP BY campaign_id, name, day HAVING sum(num) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_{event} AFTER {event} ON {table} REFERENCING {rows}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_tally_{event}();
"""


def make_triggers(apps, schema_editor):
    for table, (counted, may_change) in COUNTED.items():
        more, gone = counted.format(rows="new_rows"), counted.format(rows="old_rows")
        less = f"SELECT campaign_id, name, day, -num AS num FROM ({gone}) AS gone"
        events = {"insert": ("NEW TABLE AS new_rows", more), "delete": ("OLD TABLE AS old_rows", less)}
        if may_change:
            both = "OLD TABLE AS old_rows NEW TABLE AS new_rows"
            events["update"] = (both, f"{more} UNION ALL {less}")
        for event, (rows, change) in events.items():
            trigger = TRIGGER.format(table=table, event=event, rows=rows, counted=change)
            schema_editor.execute(trigger, params=None)


def drop_triggers(apps, schema_editor):
    for table, (_, may_change) in COUNTED.items():
        for event in ["insert", "delete", *(["update"] if may_change else [])]:
            schema_editor.execute(f"DROP FUNCTION {table}_tally_{event}() CASCADE")


class Migration(migrations.Migration):
    dependencies = [("feedback", "0001_first"), ("campaigns", "0002_first")]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
