import { ActionIcon, Button } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Confirm } from "@/components/confirm";
import { Note, ProblemNote, Waiting } from "@/components/notes";
import { StateBadge } from "@/components/state-badge";
import type { Import, ImportDetail } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { listRefusals, readImport, removeImport } from "./api";
import classes from "./campaigns.module.css";

/** In the order in which one follows from the other. */
const MADE = [
  "trees",
  "messages",
  "prompts",
  "completions",
  "demonstrations",
  "rankings",
  "ratings",
  "units",
] as const;

/** One file and what became of its records; the whole report is read when it is opened. */
export function ImportReport({ row, campaignId }: { row: Import; campaignId: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [isOpen, setOpen] = useState(false);
  const hasEnded = row.state === "succeeded" || row.state === "failed";
  const isUnbegun = row.state === "queued" && row.num_records === 0;
  return (
    <article className={classes.import}>
      <div className={classes.importHead}>
        <strong>
          <bdi>{row.file_name}</bdi>
        </strong>
        <StateBadge state={row.state} />
        <span className={classes.quiet}>{format.ago(row.created_at)}</span>
        {(row.state === "failed" || isUnbegun) && <Remove row={row} campaignId={campaignId} />}
      </div>
      {isUnbegun && <p className={classes.quiet}>{t("import.waits")}</p>}
      {!hasEnded && !isUnbegun && (
        <p className={classes.quiet}>{t("import.read", { count: row.num_records })}</p>
      )}
      {row.error && <Note look="danger">{row.error}</Note>}
      {hasEnded && row.num_records > 0 && (
        <>
          <p className={classes.quiet}>
            {t("import.outcome", {
              format: row.found_format,
              records: format.number(row.num_records),
              accepted: format.number(row.num_accepted),
              duplicates: format.number(row.num_duplicates),
              rejected: format.number(row.num_rejected),
            })}
          </p>
          <details
            className={classes.rejected}
            onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}
          >
            <summary>{t("import.report")}</summary>
            {isOpen && <Report row={row} />}
          </details>
        </>
      )}
    </article>
  );
}

function Remove({ row, campaignId }: { row: Import; campaignId: number }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const removing = useMutation({
    mutationFn: () => removeImport(row.id),
    onSuccess: () => {
      setAsked(false);
      void queryClient.invalidateQueries({ queryKey: keys.imports(campaignId) });
    },
  });
  return (
    <>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={t("import.remove", { name: row.file_name })}
        title={t("import.remove", { name: row.file_name })}
        onClick={() => setAsked(true)}
      >
        <Trash2 size={16} />
      </ActionIcon>
      {isAsked && (
        <Confirm
          title={t("import.remove", { name: row.file_name })}
          text={t(row.num_accepted ? "import.removeKeeps" : "import.removeText")}
          verb={t("import.removeIt")}
          isPending={removing.isPending}
          error={removing.error}
          onConfirm={() => removing.mutate()}
          onClose={() => setAsked(false)}
        />
      )}
    </>
  );
}

function Report({ row }: { row: Import }) {
  const detail = useQuery({ queryKey: keys.import(row.id), queryFn: () => readImport(row.id) });
  if (detail.isPending) return <Waiting lines={2} />;
  return (
    <div className={classes.report}>
      <ProblemNote error={detail.error} retry={() => void detail.refetch()} />
      {detail.data?.report?.files.map((file) => (
        <FileReport key={file.file} file={file} />
      ))}
      {row.num_rejected > 0 && <Refusals row={row} />}
    </div>
  );
}

type ReportOfFile = NonNullable<ImportDetail["report"]>["files"][number];

export function FileReport({ file }: { file: ReportOfFile }) {
  const { t } = useTranslation();
  const format = useFormat();
  const made = MADE.filter((name) => file.made[name]).map((name) =>
    t(`import.made.${name}`, { count: file.made[name] ?? 0 }),
  );
  const unread = Object.entries(file.unread_fields ?? {}).map(
    ([name, count]) => `${name} (${format.number(count)})`,
  );
  return (
    <>
      <p>{made.length ? t("import.new", { list: made.join(", ") }) : t("import.nothingNew")}</p>
      {(file.made.prompts ?? 0) > (file.made.units ?? 0) && (
        <p className={classes.quiet}>{t("import.unitsHint")}</p>
      )}
      {unread.length > 0 && (
        <p className={classes.quiet}>{t("import.unread", { fields: unread.join(", ") })}</p>
      )}
      {file.reasons.length > 1 && (
        <table className={classes.reasons}>
          <caption>{t("import.byKind")}</caption>
          <tbody>
            {file.reasons.map(({ reason, count }) => (
              <tr key={reason}>
                <td>{format.number(count)}</td>
                <td dir="auto">{reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** The first thousand refused records, a page at a time. */
function Refusals({ row }: { row: Import }) {
  const { t } = useTranslation();
  const format = useFormat();
  const pages = useInfiniteQuery({
    queryKey: keys.refusals(row.id),
    queryFn: ({ pageParam }) => listRefusals(row.id, pageParam),
    initialPageParam: 0,
    getNextPageParam: (last, all) => {
      const shown = all.reduce((sum, page) => sum + page.results.length, 0);
      return shown < last.count ? shown : undefined;
    },
  });
  const shown = pages.data?.pages.flatMap((page) => page.results) ?? [];
  const kept = pages.data?.pages[0]?.count ?? 0;
  return (
    <div>
      <p>{t("import.rejected", { count: row.num_rejected })}</p>
      <ProblemNote error={pages.error} retry={() => void pages.refetch()} />
      <ul>
        {shown.map(({ line, reason }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list only grows, and two refusals may be the same
          <li key={index}>
            <span>{t("import.line", { line: format.number(line) })}</span>
            <span dir="auto">{reason}</span>
          </li>
        ))}
      </ul>
      {pages.hasNextPage && (
        <Button
          size="xs"
          variant="default"
          mt="xs"
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t("import.showMore")}
        </Button>
      )}
      {!pages.hasNextPage && kept < row.num_rejected && (
        <p className={classes.quiet}>{t("import.onlyFirst", { count: kept })}</p>
      )}
    </div>
  );
}
