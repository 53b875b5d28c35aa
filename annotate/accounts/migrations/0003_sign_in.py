"""One spelling for each login name; sessions and tokens that end; a name for each token."""

from datetime import timedelta

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Lower
from django.utils import timezone

import annotate.accounts.models


def spell_alike(apps, schema_editor):
    """Where two logins become one name, the one that is spelt so already keeps it, or else the older."""
    logins = apps.get_model("accounts", "User").objects
    spelt = annotate.accounts.models.User.normalize_username
    taken = set(logins.values_list("username", flat=True))
    for user in logins.order_by("pk"):
        wanted = name = spelt(user.username)
        if name == user.username:
            continue
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted[:140]}-{number}"
        if number > 1:
            print(f'\n  the login "{user.username}" is now "{name}": there is another "{wanted}". Tell its owner.')
        taken.add(name)
        logins.filter(pk=user.pk).update(username=name)


def end_old_tokens(apps, schema_editor):
    """Tokens had no end; the longest that there may be from now on."""
    tokens = apps.get_model("knox", "AuthToken").objects
    tokens.filter(expiry=None).update(expiry=timezone.now() + timedelta(days=365))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_preferences"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations = [
        migrations.CreateModel(
            name="TokenName",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="named",
                        serialize=False,
                        to="knox.authtoken",
                    ),
                ),
                ("name", models.CharField(max_length=100)),
            ],
        ),
        migrations.AlterModelManagers(
            name="user", managers=[("objects", annotate.accounts.models.Users())]
        ),
        migrations.AddField(
            model_name="user",
            name="signed_out_at",
            field=models.DateTimeField(
                editable=False,
                help_text="when every session and token of this login was ended last",
                null=True,
            ),
        ),
        migrations.RunPython(spell_alike, migrations.RunPython.noop),
        migrations.RunPython(end_old_tokens, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(Lower("username"), name="login_name_once_in_any_case"),
        ),
    ]
