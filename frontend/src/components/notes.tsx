import { Alert, Button, Skeleton, Stack, Text } from "@mantine/core";
import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem } from "@/lib/api/problem";
import classes from "./notes.module.css";

const LOOKS = {
  note: { color: "gray", icon: <Info size={18} /> },
  success: { color: "green", icon: <CircleCheck size={18} /> },
  caution: { color: "yellow", icon: <TriangleAlert size={18} /> },
  danger: { color: "red", icon: <CircleAlert size={18} /> },
};

interface NoteProps {
  look?: keyof typeof LOOKS;
  title?: string;
  onClose?: () => void;
  children?: ReactNode;
}

/** A sentence that stands apart: a shape, a colour and words. */
export function Note({ look = "note", title, onClose, children }: NoteProps) {
  const { t } = useTranslation();
  return (
    <Alert
      className={classes.note}
      data-look={look}
      color={LOOKS[look].color}
      icon={LOOKS[look].icon}
      title={title}
      role={look === "danger" ? "alert" : "status"}
      withCloseButton={Boolean(onClose)}
      onClose={onClose}
      closeButtonLabel={t("common.close")}
    >
      {children}
    </Alert>
  );
}

/** What went wrong in a request, and what to do about it. */
export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const sentence = useSentence(error);
  if (!error) return null;
  // What is not there, or not for me, is so the second time too.
  const isFinal = [403, 404].includes(asProblem(error).status);
  return (
    <Note look="danger">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{sentence}</Text>
        {retry && !isFinal && (
          <Button size="xs" variant="default" onClick={retry}>
            {t("common.tryAgain")}
          </Button>
        )}
      </Stack>
    </Note>
  );
}

/** The sentence for a problem: the server's own, or ours where the server could not speak. */
export function useSentence(error: unknown): string {
  const { t } = useTranslation();
  if (!error) return "";
  const problem = asProblem(error);
  if (problem.status === 0) return t("problem.offline");
  if (problem.message) return problem.message;
  if (problem.status === 403) return t("problem.forbidden");
  if (problem.status === 404) return t("problem.missing");
  if (problem.status === 413) return t("problem.tooLarge");
  if (problem.status === 429) return t("problem.tooMany");
  return problem.status >= 500 ? t("problem.server") : t("problem.refused");
}

interface EmptyProps {
  title: string;
  /** The whole page is this emptiness, so its title is the page's. */
  isPage?: boolean;
  children?: ReactNode;
  action?: ReactNode;
}

/** An empty place: why it is empty and what fills it. */
export function Empty({ title, isPage, children, action }: EmptyProps) {
  const Title = isPage ? "h1" : "p";
  return (
    <div className={classes.empty}>
      <Title className={classes.emptyTitle}>{title}</Title>
      {children && <div className={classes.emptyText}>{children}</div>}
      {action}
    </div>
  );
}

/** Grey lines in the place of what is coming, and only when it takes longer than a moment. */
export function Waiting({ lines = 3 }: { lines?: number }) {
  const { t } = useTranslation();
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300);
    return () => clearTimeout(timer);
  }, []);
  if (!isLate) return null;
  return (
    <Stack gap="sm" role="status" aria-label={t("common.loading")}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={line} height={20} width={line === lines - 1 ? "60%" : "100%"} />
      ))}
    </Stack>
  );
}
