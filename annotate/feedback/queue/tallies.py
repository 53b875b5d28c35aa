"""The counts that the database keeps (models.Tally) grow by a row with every change; here they are made few again."""

from django.db import connection

# Exact however many fold at once: each puts back the sum of what it took, and nobody waits for an insert.
FOLD_TALLIES = """
    WITH gone AS (
      DELETE FROM feedback_tally WHERE campaign_id IN (
        SELECT campaign_id FROM feedback_tally GROUP BY campaign_id HAVING count(*) > count(DISTINCT (name, day)))
      RETURNING campaign_id, name, day, num)
    INSERT INTO feedback_tally (campaign_id, name, day, num)
    SELECT campaign_id, name, day, sum(num) FROM gone GROUP BY campaign_id, name, day HAVING sum(num) <> 0
"""


def fold_tallies() -> None:
    """One row again for each name and day, so that a sum reads few rows."""
    with connection.cursor() as cursor:
        cursor.execute(FOLD_TALLIES)
