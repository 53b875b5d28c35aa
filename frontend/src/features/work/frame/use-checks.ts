import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Assignment } from "@/lib/api/types";
import { useNames } from "@/lib/use-names";
import type { AnyWorkKind } from "@/lib/work";

/** What keeps a unit from being submitted, and the question that is asked before what may be a slip. */
export function useChecks(
  kind: AnyWorkKind,
  assignment: Assignment,
  content: unknown,
  announce: (sentence: string) => void,
) {
  const { t } = useTranslation();
  const { criterionNamed } = useNames();
  const [showsMissing, setShowsMissing] = useState(false);
  // What is asked about: with the next submit it is meant so. Any change takes the question away.
  const [asked, setAsked] = useState<{ content: unknown } | null>(null);
  const found = kind.missing(assignment, content);
  const missing = found ? t(found.key, { criterion: criterionNamed(found.criterion ?? "") }) : "";
  const doubt = (kind.doubts?.(assignment, content) ?? [])
    .map(({ key, count = 0, of = 0, criterion = "" }) =>
      t(key, { count, of, criterion: criterionNamed(criterion) }),
    )
    .join(" ");
  const isAsking = doubt !== "" && asked !== null && asked.content === content;

  /** Whether it can be submitted as it is; if not, it is said why, or asked. */
  const pass = useCallback(() => {
    if (missing) {
      setShowsMissing(true);
      announce(missing);
    } else if (doubt && !isAsking) setAsked({ content });
    else return true;
    return false;
  }, [missing, doubt, isAsking, content, announce]);

  return {
    /** Once it was tried to submit it. */
    missing: showsMissing ? missing : "",
    doubt,
    isAsking,
    goBack: () => setAsked(null),
    pass,
  };
}
