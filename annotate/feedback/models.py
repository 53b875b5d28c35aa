"""Given: units of work, the leases on them, drafts, and what people submitted."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from annotate.accounts.models import Annotator, User
from annotate.campaigns.models import Campaign, Completion, Prompt

OWN_ANSWER = "own_answer"  # the source of what somebody who judged answers wrote themselves
STRONGEST = 3  # a choice is slightly, clearly or much better


class Unit(models.Model):
    """One thing to be written (a prompt), judged (a prompt with its K completions) or reviewed (what somebody gave).

    `open_slots` = overlap - assignments that hold a slot (leases and counted submissions). Lower `priority` is served first; within a
    priority, lower `position`, which comes from a database sequence and is renewed when a slot reopens.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="units")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="units")
    completions: models.ManyToManyField = models.ManyToManyField(Completion, related_name="units", blank=True)
    reviewed = models.ForeignKey(
        "Assignment",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="review_units",
        help_text="whose result is reviewed here",
    )
    author = models.ForeignKey(
        Annotator,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="authored_units",
        help_text="who did what is reviewed, and so never gets this",
    )
    overlap = models.PositiveSmallIntegerField(default=1)
    open_slots = models.PositiveSmallIntegerField()
    priority = models.IntegerField(default=0)
    position = models.BigIntegerField(
        unique=True,
        db_default=models.Func(
            models.Value("feedback_unit_position_seq"),
            function="nextval",
            output_field=models.BigIntegerField(),
        ),
    )
    external_id = models.CharField(max_length=200, blank=True, default="")
    has_new_judgements = models.BooleanField(
        db_default=False,
        help_text="of several people: ranked, or a ranking corrected, since their agreement was counted",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["campaign", "priority", "position"], condition=Q(open_slots__gt=0), name="unit_queue"
            ),
            models.Index(
                fields=["id"], condition=Q(has_new_judgements=True, open_slots=0), name="unit_newly_judged"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(open_slots__lte=F("overlap")), name="unit_slots_within_overlap"
            ),
            models.UniqueConstraint(
                fields=["campaign", "external_id"], condition=~Q(external_id=""), name="unit_external_id_once"
            ),
        ]


class Tally(models.Model):
    """How much a campaign holds: the sum of `num` over its rows of one name.

    Counting the units themselves would cost more with every unit that waits, and one counter would make all who
    lease at once wait for its row. So the database adds a row for each statement that adds or takes away (triggers
    in migration 0002), and `queue.tallies.fold_tallies` makes one of many. Names: units, open (units with an open slot),
    prompts, completions, comparisons, surplus, returned (not surplus), and by day (UTC) demonstrations, rankings and reviews; of these, what
    was imported has no day.
    """

    # Rows may outlive their campaign for an instant: taking its units away is counted too.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, db_constraint=False, related_name="tallies"
    )
    name = models.CharField(max_length=16)
    day = models.DateField(null=True)
    num = models.IntegerField()


class Assignment(models.Model):
    """One annotator, one unit: a lease until `lease_expires_at`, then what became of it.

    A lease `is_ahead` while its annotator still works on another unit and has not begun on this one: at most one.
    """

    class State(models.TextChoices):
        LEASED = "leased"
        SUBMITTED = "submitted"
        SKIPPED = "skipped"
        RELEASED = "released"
        EXPIRED = "expired"

    unit = models.ForeignKey(Unit, on_delete=models.CASCADE, related_name="assignments")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="assignments")
    state = models.CharField(max_length=16, choices=State.choices, default=State.LEASED)
    holds_slot = models.BooleanField(
        default=True, help_text="a lease, or a submission that counts towards the overlap"
    )
    is_ahead = models.BooleanField(default=False)
    shown_order = models.JSONField(
        default=list, help_text="completion ids in the order shown, left or top first"
    )
    leased_at = models.DateTimeField()
    lease_expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["unit", "annotator"], name="assignment_once_per_person"),
            models.CheckConstraint(
                condition=Q(state__in=["leased", "submitted", "skipped", "released", "expired"]),
                name="assignment_state",
            ),
            models.CheckConstraint(
                condition=Q(holds_slot=True, state__in=["leased", "submitted"])
                | Q(holds_slot=False, state__in=["submitted", "skipped", "released", "expired"]),
                name="assignment_slot_goes_with_state",
            ),
            models.UniqueConstraint(
                fields=["annotator", "campaign"], condition=Q(is_ahead=True), name="assignment_one_ahead"
            ),
            models.CheckConstraint(
                condition=Q(is_ahead=False) | Q(state="leased"), name="assignment_ahead_is_a_lease"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at"], condition=Q(state="leased"), name="assignment_live_leases"
            ),
            models.Index(fields=["annotator", "campaign", "state"], name="assignment_of_annotator"),
        ]


class Draft(models.Model):
    """What a person has typed so far. `revision` rises by one with every save; a save names the one it read."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="draft")
    content = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(auto_now=True)


class Suggestion(models.Model):
    """A completion the current policy offered to a writer at one turn, and what became of it.

    In a chat the answers that are shown beside each other have the same `pair`.
    """

    class Outcome(models.TextChoices):
        OFFERED = "offered"
        TAKEN = "taken"
        EDITED = "edited"
        PART = "part"
        REFUSED = "refused"

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="suggestions")
    turn = models.PositiveSmallIntegerField(help_text="index of the message it was offered for")
    pair = models.PositiveIntegerField(
        null=True, blank=True, help_text="of a chat: a number that its client drew"
    )
    side = models.PositiveSmallIntegerField(default=0, help_text="of a pair: 0 left or above, 1 the other")
    asked = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="of a chat: sha256 of the dialogue that it answers (campaigns.services.prompt_key)",
    )
    policy_version = models.ForeignKey(
        "runs.PolicyVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="suggestions"
    )
    sampling = models.JSONField(default=dict)
    seed = models.BigIntegerField()
    text = models.TextField(blank=True, default="")
    is_complete = models.BooleanField(default=False)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.OFFERED)
    taken_text = models.TextField(
        blank=True, default="", help_text="outcome part: what was taken, one line for each piece"
    )
    edit_distance = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Levenshtein, characters, from what was taken to what the turn became",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    streams_until = models.DateTimeField(
        null=True, blank=True, help_text="it is on its way, unless nothing was heard of it until then"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["streams_until"], condition=Q(streams_until__isnull=False), name="suggestion_streams"
            )
        ]


class Verdict(models.TextChoices):
    """What a reviewer decided."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    RETURNED = "returned"


class Submission(models.Model):
    """What demonstrations, rankings and reviews share. `submission_key` is made by the client: sent twice, stored once."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="%(class)ss")
    assignment = models.OneToOneField(Assignment, null=True, blank=True, on_delete=models.PROTECT)
    annotator = models.ForeignKey(
        Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="%(class)ss"
    )
    submission_key = models.UUIDField(null=True, blank=True, unique=True)
    is_surplus = models.BooleanField(
        default=False, help_text="came after its lease ended and its slot was taken"
    )
    seconds_spent = models.FloatField(null=True, blank=True)
    language = models.CharField(max_length=16, blank=True, default="")
    source = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    revision = models.PositiveSmallIntegerField(default=1, help_text="the row holds the latest one")
    corrected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Reviewable(Submission):
    """What a person gives to a campaign, and how it fared in its review."""

    review_state = models.CharField(
        max_length=16,
        choices=Verdict.choices,
        blank=True,
        default="",
        help_text="of the latest review; empty: none, or its author has submitted again since it was returned",
    )

    class Meta:
        abstract = True


def that_counts(of: str = "") -> Q:
    """What counts, everywhere: handed in for a slot of its own, and not returned by a reviewer.

    `of`: from other rows the relation to the submission, `ranking__`. A row holds the newest version; those before it
    are kept in Revision.
    """
    return Q(**{f"{of}is_surplus": False}) & ~Q(**{f"{of}review_state": Verdict.RETURNED})


class Review(Submission):
    """What somebody else decided of a submission; `comment` is for its author."""

    reviewed = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="reviews")
    reviewed_revision = models.PositiveSmallIntegerField(help_text="the revision that was looked at")
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    comment = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=["accepted", "corrected", "returned"]), name="review_verdict"
            ),
            models.CheckConstraint(
                condition=~Q(verdict="returned", comment=""), name="review_says_why_it_returns"
            ),
        ]


class Revision(models.Model):
    """What a submission said before it was corrected; `content` in the form in which it is handed in."""

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveSmallIntegerField()
    content = models.JSONField()
    submission_key = models.UUIDField(null=True, blank=True, unique=True)
    seconds_spent = models.FloatField(null=True, blank=True)
    given_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment", "number"], name="revision_once")]


class Remark(models.Model):
    """What somebody who works on a unit tells an administrator: a flag with its reason, a mere comment, or why it was skipped."""

    class Reason(models.TextChoices):
        COMMENT = "comment"
        UNCLEAR = "unclear"
        PERSONAL = "personal"
        HARMFUL = "harmful"
        GUIDELINES = "guidelines"
        OTHER = "other"
        SKIPPED = "skipped"  # the reason that was given with it

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="remarks")
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="remarks")
    reason = models.CharField(max_length=16, choices=Reason.choices)
    text = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(reason__in=["comment", "skipped"], text=""), name="remark_comment_says_something"
            ),
            models.CheckConstraint(
                condition=Q(
                    reason__in=["comment", "unclear", "personal", "harmful", "guidelines", "other", "skipped"]
                ),
                name="remark_reason",
            ),
        ]


class Demonstration(Reviewable):
    """A dialogue one person wrote: both sides."""

    prompt = models.ForeignKey(
        Prompt, null=True, blank=True, on_delete=models.PROTECT, related_name="demonstrations"
    )
    messages = models.JSONField()
    weight = models.FloatField(default=1.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "source", "external_id"],
                condition=~Q(external_id=""),
                name="demonstration_once_per_source",
            )
        ]


class Ranking(Reviewable):
    """Completions of one prompt in ordered tiers, best first; completions in one tier are tied."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="rankings")
    shown_order = models.JSONField(default=list)
    tiers = models.JSONField(
        default=list, help_text="[[completion id, …], …] best first; absent ids are unranked"
    )
    strength = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="of a choice between two: 1 slightly, 2 clearly, 3 much better; null where none was asked, and for a tie",
    )
    middle_unordered = models.BooleanField(
        default=False,
        help_text="of the best and the worst: nobody has compared those between, whose one tier is no tie",
    )
    all_bad = models.BooleanField(default=False)
    criteria = models.JSONField(
        default=dict, blank=True, help_text="{criterion: tiers}, further orders of the same completions"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "source", "external_id"],
                condition=~Q(external_id=""),
                name="ranking_once_per_source",
            ),
            models.CheckConstraint(
                condition=Q(strength=None) | Q(strength__gte=1, strength__lte=STRONGEST),
                name="ranking_strength",
            ),
        ]


class Rating(models.Model):
    """A person's number for one completion under one criterion, and the flags they raised."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="ratings")
    completion = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="ratings")
    ranking = models.ForeignKey(
        Ranking, null=True, blank=True, on_delete=models.CASCADE, related_name="ratings"
    )
    annotator = models.ForeignKey(
        Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="ratings"
    )
    criterion = models.CharField(max_length=64, default="overall")
    value = models.FloatField(null=True, blank=True)
    scale_min = models.FloatField(default=1)
    scale_max = models.FloatField(default=7)
    flags = models.JSONField(default=list, blank=True)
    source = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ranking", "completion", "criterion"],
                condition=Q(ranking__isnull=False),
                name="rating_once_per_ranking",
            ),
            models.UniqueConstraint(
                fields=["campaign", "source", "external_id", "criterion"],
                condition=~Q(external_id=""),
                name="rating_once_per_source",
            ),
            models.CheckConstraint(
                condition=Q(value=None) | Q(value__gte=F("scale_min"), value__lte=F("scale_max")),
                name="rating_within_its_scale",
            ),
        ]


class Comparison(models.Model):
    """A pair a ranking implies. Derived by feedback.kinds.pairs; kept so that counts and exports are one query."""

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="comparisons")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    chosen = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="+")
    rejected = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="+")
    margin = models.FloatField(
        default=1, help_text="tiers between the two, the strength of the choice, or what an import says"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "chosen", "rejected"], name="comparison_once"),
            models.CheckConstraint(condition=~Q(chosen=F("rejected")), name="comparison_of_two"),
            models.CheckConstraint(condition=Q(margin__gte=0), name="comparison_margin"),
        ]
