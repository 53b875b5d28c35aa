import { useTranslation } from "react-i18next";
import { Note } from "@/components/notes";
import { StateBadge } from "@/components/state-badge";
import type { Import } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./campaigns.module.css";

const SHOWN_REJECTIONS = 500;

const inWords = (counts: Record<string, number>, number: (value: number) => string) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} (${number(count)})`)
    .join(", ");

/** One file and what became of each of its records. */
export function ImportReport({ row }: { row: Import }) {
  const { t } = useTranslation();
  const format = useFormat();
  const isOnTheWay = row.state === "queued" || row.state === "running";
  return (
    <article className={classes.import}>
      <div className={classes.importHead}>
        <strong>
          <bdi>{row.file_name}</bdi>
        </strong>
        <StateBadge state={row.state} />
        <span className={classes.quiet}>{format.ago(row.created_at)}</span>
      </div>
      {isOnTheWay && <p className={classes.quiet}>{t("import.read", { count: row.num_records })}</p>}
      {row.error && <Note look="danger">{row.error}</Note>}
      {row.report?.files.map((file) => (
        <div key={file.file}>
          <p className={classes.quiet}>
            {t("import.outcome", {
              format: file.format,
              records: format.number(file.records),
              accepted: format.number(file.accepted),
              duplicates: format.number(file.duplicates),
              rejected: format.number(file.rejected.length),
            })}
          </p>
          {Object.keys(file.unread_fields ?? {}).length > 0 && (
            <p className={classes.quiet}>
              {t("import.unread", { fields: inWords(file.unread_fields ?? {}, format.number) })}
            </p>
          )}
          {file.rejected.length > 0 && (
            <details className={classes.rejected}>
              <summary>{t("import.rejected", { count: file.rejected.length })}</summary>
              <ul>
                {file.rejected.slice(0, SHOWN_REJECTIONS).map(({ line, reason }) => (
                  <li key={`${line} ${reason}`}>
                    <span>{t("import.line", { line: format.number(line) })}</span>
                    <span dir="auto">{reason}</span>
                  </li>
                ))}
              </ul>
              {file.rejected.length > SHOWN_REJECTIONS && (
                <p className={classes.quiet}>
                  {t("import.more", { count: file.rejected.length - SHOWN_REJECTIONS })}
                </p>
              )}
            </details>
          )}
        </div>
      ))}
    </article>
  );
}
