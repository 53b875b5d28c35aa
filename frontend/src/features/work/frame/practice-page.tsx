import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation, useNavigate, useParams } from "react-router";
import { ProblemNote, Waiting } from "@/components/notes";
import { Problem } from "@/lib/api/problem";
import type { CampaignKind } from "@/lib/api/types";
import { useKinds } from "@/lib/kinds";
import { usePractised } from "@/lib/use-practised";
import type { AnyWorkKind } from "@/lib/work";
import { Practice } from "./practice";

/** The practice of a kind by itself, to be done again whenever one likes. */
export function PracticePage() {
  const kinds = useKinds();
  const { t } = useTranslation();
  const name = useParams().kind as CampaignKind;
  const navigate = useNavigate();
  const isFirstPage = useLocation().key === "default";
  const [, addPractised] = usePractised();
  const [kind, setKind] = useState<AnyWorkKind | null>(null);
  useEffect(() => {
    setKind(null);
    kinds[name]?.load(kinds).then(setKind);
  }, [kinds, name]);

  if (!kinds[name]) return <ProblemNote error={new Problem(404, {})} />;
  if (!kind) return <Waiting lines={6} />;
  return (
    <Practice
      key={name}
      kind={kind}
      name={name}
      onward={t("practice.back")}
      onDone={() => {
        addPractised(name);
        // To where one came from; a page that was opened by its address goes home.
        void (isFirstPage ? navigate("/") : navigate(-1));
      }}
    />
  );
}
