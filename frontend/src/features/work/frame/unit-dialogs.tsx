import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import type { AnyWorkKind } from "@/lib/work";
import { ConflictDialog } from "./conflict-dialog";
import { RemarkDialog } from "./remark-dialog";
import { SkipDialog } from "./skip-dialog";
import type { OpenDraft } from "./use-draft";

const Versions = lazy(() => import("@/components/versions").then((m) => ({ default: m.Versions })));

export type UnitDialog = "skip" | "remark" | "versions";

interface UnitDialogsProps {
  assignment: Assignment;
  kind: AnyWorkKind;
  draft: OpenDraft;
  open: UnitDialog | null;
  onClose: () => void;
  onSkip: (reason: string) => void;
  onRemarked: () => void;
}

/** The dialogs over a unit: that which is open, and the one that comes by itself when two drafts differ. */
export function UnitDialogs({ assignment, kind, draft, open, ...props }: UnitDialogsProps) {
  const { t } = useTranslation();
  const { conflict } = draft;
  return (
    <>
      {open === "skip" && <SkipDialog onClose={props.onClose} onSkip={props.onSkip} />}
      {open === "versions" && (
        <Suspense fallback={null}>
          <Versions
            assignmentId={assignment.id}
            assignment={assignment}
            kind={kind}
            isOwn
            onClose={props.onClose}
          />
        </Suspense>
      )}
      {open === "remark" && (
        <RemarkDialog assignmentId={assignment.id} onClose={props.onClose} onSent={props.onRemarked} />
      )}
      {conflict && (
        <ConflictDialog
          here={kind.inWords(assignment, kind.read(assignment, conflict.here), t)}
          there={kind.inWords(assignment, kind.read(assignment, conflict.there.content), t)}
          thereSavedAt={conflict.there.saved_at}
          onChoose={draft.settle}
        />
      )}
    </>
  );
}
