import guide from "@docs/annotators/index.md?raw";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Markdown } from "@/components/markdown/markdown";
import { Note } from "@/components/notes";
import { Page } from "@/components/page";
import type { CampaignKind } from "@/lib/api/types";
import { useKinds } from "@/lib/kinds";
import { may, useMe } from "@/lib/me";

/** The annotators' guide, of which the pictures, the table of pictures at the end and links to places are left out. */
const [HEAD = "", ...LINES] = (guide.split("## The same pages elsewhere")[0] ?? "").split("\n");
const TEXT = LINES.filter((line) => !line.startsWith("!["))
  .join("\n")
  .replace(/^## /gm, "# ")
  .replace(/\[([^\]]*)\]\(#[^)]*\)/g, "$1");

/** The guide for those who write and judge; it opens beside the work. */
export function GuidePage() {
  const { t, i18n } = useTranslation();
  const me = useMe();
  const kinds = useKinds();
  return (
    <Page title={t("help.guideTitle")}>
      {may(me, "lease_next_assignment") && (
        <nav aria-label={t("practice.all")}>
          <h2>{t("practice.all")}</h2>
          <ul>
            {(Object.keys(kinds) as CampaignKind[]).map((kind) => (
              <li key={kind}>
                <Link to={`/practice/${kind}`}>{t(`kind.${kind}`)}</Link>
              </li>
            ))}
          </ul>
        </nav>
      )}
      {!i18n.language.startsWith("en") && <Note>{t("help.inEnglish")}</Note>}
      <h2 lang="en">{HEAD.replace("# ", "")}</h2>
      <Markdown text={TEXT} language="en" />
    </Page>
  );
}
