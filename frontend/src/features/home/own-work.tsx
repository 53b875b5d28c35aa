import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useFormat } from "@/lib/format";
import type { OwnDraft, OwnSubmission } from "./api";
import classes from "./home-page.module.css";

/** What I have begun and not handed in. */
export function Drafts({ drafts }: { drafts: OwnDraft[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (drafts.length === 0) return null;
  return (
    <section className={classes.own} aria-labelledby="own-drafts">
      <h2 id="own-drafts">{t("home.drafts")}</h2>
      <ul>
        {drafts.map((draft) => (
          <WorkLine
            key={draft.assignment}
            work={draft}
            action={t("home.goOn")}
            facts={[
              draft.campaign.name,
              draft.saved_at ? t("home.savedAt", { when: format.ago(draft.saved_at) }) : t("save.device"),
              draft.is_taken && t("home.taken"),
            ]}
          />
        ))}
      </ul>
    </section>
  );
}

/** What I handed in last, to be looked at again and, for a while, corrected. */
export function Recent({ submissions }: { submissions: OwnSubmission[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (submissions.length === 0) return null;
  return (
    <section className={classes.own} aria-labelledby="own-recent">
      <h2 id="own-recent">{t("home.recent")}</h2>
      <ul>
        {submissions.map((given) => (
          <WorkLine
            key={given.assignment}
            work={given}
            action={given.can_correct ? t("home.correct") : t("home.look")}
            facts={[
              given.campaign.name,
              format.ago(given.submitted_at),
              given.seconds_spent !== null && format.lengthOfTime(given.seconds_spent),
              given.revision > 1 && t("home.corrected", { count: given.revision - 1 }),
              given.is_surplus && t("home.surplus"),
              given.review_state && t(`review.told.${given.review_state}`, { comment: given.comment }),
            ]}
          />
        ))}
      </ul>
    </section>
  );
}

interface WorkLineProps {
  work: OwnDraft | OwnSubmission;
  action: string;
  facts: (string | false)[];
}

function WorkLine({ work, action, facts }: WorkLineProps) {
  const { t } = useTranslation();
  const asked = work.asked || t("home.unit", { id: work.assignment });
  return (
    <li>
      <Link to={`/annotate/${work.campaign.id}?unit=${work.assignment}`} className={classes.workLine}>
        <span className={classes.asked} dir="auto" lang={work.campaign.language}>
          {asked}
        </span>
        <span className={classes.quiet}>{facts.filter(Boolean).join(" · ")}</span>
        <span className={classes.action}>{action}</span>
      </Link>
    </li>
  );
}
