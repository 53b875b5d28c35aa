import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";
import type { Assignment } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import type { AnyWorkKind } from "@/lib/work";
import { Dialog } from "./dialog";
import { Differences } from "./differences";
import { ProblemNote, Waiting } from "./notes";
import classes from "./versions.module.css";

type Version = components["schemas"]["SubmittedVersion"];

interface VersionsProps {
  /** Whose versions they are. */
  assignmentId: number;
  /** The unit as its own kind of work lays it out. */
  assignment: Assignment;
  kind: AnyWorkKind;
  isOwn: boolean;
  onClose: () => void;
}

/** What was handed in, as it stood at two times, and what changed between them. */
export function Versions({ assignmentId, assignment, kind, isOwn, onClose }: VersionsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const versions = useQuery({
    queryKey: keys.versions(assignmentId),
    queryFn: () =>
      bodyOf(
        api.GET("/api/assignments/{assignment_id}/versions", {
          params: { path: { assignment_id: assignmentId } },
        }),
      ),
    gcTime: 0,
  });
  const [chosen, setChosen] = useState<{ before?: number; after?: number }>({});
  const all = versions.data ?? [];
  const after = all.find(({ number }) => number === chosen.after) ?? all[0];
  const before = all.find(({ number }) => number === chosen.before) ?? all[1] ?? after;

  const inWords = ({ content }: Version) =>
    kind.inWords(assignment, kind.restore(assignment, content), t) || "—";
  const names = all.map(({ number, given_at, is_by_reviewer }) => {
    const author = is_by_reviewer ? "reviewer" : isOwn ? "you" : "author";
    return {
      value: String(number),
      label: t("versions.name", { number, when: format.date(given_at), by: t(`versions.by.${author}`) }),
    };
  });

  return (
    <Dialog title={t("versions.title")} size="large" onClose={onClose}>
      {versions.isPending && <Waiting lines={5} />}
      <ProblemNote error={versions.error} retry={() => void versions.refetch()} />
      {before && after && (
        <>
          <div className={classes.which}>
            <NativeSelect
              label={t("versions.before")}
              data={names}
              value={before.number}
              onChange={(event) => setChosen({ ...chosen, before: Number(event.currentTarget.value) })}
            />
            <NativeSelect
              label={t("versions.after")}
              data={names}
              value={after.number}
              onChange={(event) => setChosen({ ...chosen, after: Number(event.currentTarget.value) })}
            />
          </div>
          <Differences
            before={inWords(before)}
            after={inWords(after)}
            language={assignment.campaign.language}
            hasLegend
          />
        </>
      )}
    </Dialog>
  );
}
