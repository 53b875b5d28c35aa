import { Button, FileButton, NativeSelect, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type DragEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ShareBar } from "@/components/figures/figures";
import { Empty, ProblemNote } from "@/components/notes";
import type { Campaign } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { listImportFormats, listImports, uploadFile } from "./api";
import classes from "./campaigns.module.css";
import { ImportReport } from "./import-report";
import { PromptForm } from "./prompt-form";

/** Brings other people's feedback and prompts in: by file, with a report of every record, or written here. */
export function ImportTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const [asked, setAsked] = useState("auto");
  const [share, setShare] = useState(0);
  const [isOver, setOver] = useState(false);
  const formats = useQuery({ queryKey: keys.importFormats, queryFn: listImportFormats });
  const imports = useQuery({
    queryKey: keys.imports(campaign.id),
    queryFn: () => listImports(campaign.id),
    refetchInterval: (query) => (query.state.data?.some(isUnfinished) ? 1000 : false),
  });
  const uploading = useMutation({
    mutationFn: (file: File) => uploadFile(campaign.id, file, asked, setShare),
    onSettled: () => {
      setShare(0);
      void queryClient.invalidateQueries({ queryKey: keys.imports(campaign.id) });
    },
  });

  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file) uploading.mutate(file);
  }

  return (
    <>
      <section>
        <Title order={2} mb="sm">
          {t("import.title")}
        </Title>
        {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one way, the button inside is the other */}
        <div
          className={classes.drop}
          data-over={isOver || undefined}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={drop}
        >
          <FileButton onChange={(file) => file && uploading.mutate(file)}>
            {(props) => (
              <Button {...props} loading={uploading.isPending}>
                {t("import.choose")}
              </Button>
            )}
          </FileButton>
          <p className={classes.quiet}>{t("import.hint")}</p>
          <NativeSelect
            label={t("import.format")}
            value={asked}
            onChange={(event) => setAsked(event.currentTarget.value)}
            data={[
              { value: "auto", label: t("import.auto") },
              ...(formats.data ?? []).map(({ name, description }) => ({
                value: name,
                label: `${name}: ${description}`,
              })),
            ]}
            maw="100%"
            w={352}
          />
          {uploading.isPending && (
            <div style={{ width: "100%", maxWidth: "22rem" }}>
              <ShareBar share={share} label={t("import.sent", { share: format.percent(share) })} />
              <p className={classes.quiet}>{t("import.sent", { share: format.percent(share) })}</p>
            </div>
          )}
        </div>
        <ProblemNote error={uploading.error ?? imports.error} />
      </section>
      <section style={{ margin: "1.5rem 0 3rem" }}>
        {imports.data?.length === 0 && <Empty title={t("import.none")} />}
        {imports.data?.map((row) => (
          <ImportReport key={row.id} row={row} campaignId={campaign.id} />
        ))}
      </section>
      <PromptForm campaign={campaign} />
    </>
  );
}

function isUnfinished({ state }: { state: string }): boolean {
  return state === "queued" || state === "running";
}
