"""Where policies and reward models come from: a directory or hub id given by a person, or a finished run.

A model directory is registered with a hash over its files, and only a directory that still has that hash is
served. Safetensors only: other weight files can run code when they are loaded.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.runs.models import PolicyVersion, Run
from annotate.runs.sentences import told
from trainer.model_files import check_loadable, directory_sha256, manifest_sha256
from trainer.run_dir import RunError, is_finished, read_manifest

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
LINE = """
    WITH RECURSIVE line (id, parent_id, place) AS (
        SELECT id, parent_id, 0 FROM runs_policyversion WHERE id = %s
        UNION ALL
        SELECT above.id, above.parent_id, place + 1
        FROM line JOIN runs_policyversion AS above ON above.id = line.parent_id
    ) CYCLE id SET is_met_again USING path
    SELECT id FROM line WHERE NOT is_met_again ORDER BY place
"""
NAME = re.compile(r"[\w][\w. -]{0,199}")


def model_directory(path: str) -> Path | None:
    """The directory that a PolicyVersion's path names; None for a hub id."""
    directory = Path(path)
    return directory if directory.is_absolute() else None


def _directory_within(path: str, within: Sequence[Path] | None) -> Path | None:
    """The directory that a path may mean; None for a hub id."""
    if within is None:
        return Path(path).expanduser().resolve()
    if HUB_ID.fullmatch(path):
        return None
    # By its words first: of a directory elsewhere not even its links are read.
    for read in (os.path.normpath, os.path.realpath):
        directory = Path(read(path))
        if any(directory.is_relative_to(root) for root in within):
            continue
        outside = _("Give a hub id, or a directory in one that the operator has opened to models.")
        raise ValidationError({"path": [outside]}, code="outside")
    return directory


def register_policy(*, name: str, path: str, within: Sequence[Path] | None = None) -> PolicyVersion:
    """Register a base model: a directory with safetensors (or a run directory), or a hub id.

    `within`: the directories of which who asks may know; of any other nothing is told, not even whether it is there.
    """
    if not NAME.fullmatch(name):
        raise ValidationError(
            {"name": [_("A name has letters, digits, dots, dashes, underscores and spaces; choose another.")]}
        )
    directory = _directory_within(path, within)
    try:
        if directory is not None and directory.exists():
            if is_finished(directory):
                directory = directory / "model"
            if is_finished(directory.parent) and directory.name == "model":
                manifest = read_manifest(directory.parent, verify=True)
                if manifest["kind"] not in Run.MAKES_POLICY:
                    raise RunError(_("The run in %(path)s made no policy.") % {"path": directory.parent})
                check_loadable(directory)
                where, sha256 = str(directory), manifest_sha256(directory.parent)
            else:
                check_loadable(directory)
                where, sha256 = str(directory), directory_sha256(directory)
        elif HUB_ID.fullmatch(path):
            where, sha256 = path, ""
        else:
            raise RunError(_("%(path)s is neither a directory here nor a hub id.") % {"path": path})
    except (RunError, OSError) as error:
        raise ValidationError({"path": [told(str(error))]}) from error
    except (AttributeError, KeyError, TypeError) as error:
        odd = _("%(path)s has a manifest that no run wrote; choose another directory.") % {"path": path}
        raise ValidationError({"path": [odd]}) from error
    try:
        with transaction.atomic():
            return PolicyVersion.objects.create(name=name, path=where, model_sha256=sha256)
    except IntegrityError as error:
        raise ValidationError(
            {"name": [_("There is a policy %(name)s already; choose another name.") % {"name": name}]}
        ) from error


def register_made_by(run: Run, path: str) -> None:
    """The policy that a finished run has left in `path`."""
    name = run.name
    if PolicyVersion.objects.filter(name=name).exists():  # a person gave a base model this name
        name = Path(run.run_dir).name
    PolicyVersion.objects.create(
        name=name,
        run=run,
        parent=run.policy,
        path=path,
        model_sha256=run.manifest_sha256,
        metrics=run.metrics,
    )


def ancestry_of(policy: PolicyVersion) -> list[dict[str, Any]]:
    """The policy and its parents, root last, each with the run that made it; two queries however long it is."""
    with connection.cursor() as cursor:
        cursor.execute(LINE, [policy.pk])
        line = [row[0] for row in cursor.fetchall()]
    joined = PolicyVersion.objects.select_related("run__snapshot", "run__reward_model").in_bulk(line)
    links = [joined[pk] for pk in line]
    return [
        {"policy_version": link, "run": link.run, "reward_model": link.run.reward_model if link.run else None}
        for link in links
    ]
