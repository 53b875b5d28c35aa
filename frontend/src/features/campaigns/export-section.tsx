import { Button, Title } from "@mantine/core";
import { Download } from "lucide-react";
import { useTranslation } from "react-i18next";
import { EXPORT_FORMATS, exportAddress } from "./api";
import classes from "./campaigns.module.css";

export function ExportSection({ campaignId }: { campaignId: number }) {
  const { t } = useTranslation();
  return (
    <section>
      <Title order={2} mb="sm">
        {t("export.title")}
      </Title>
      <ul className={classes.exports}>
        {EXPORT_FORMATS.map((format) => (
          <li key={format}>
            <div>
              <strong>{format}</strong>
              <p className={classes.quiet}>{t(`export.${format}`)}</p>
            </div>
            <Button
              component="a"
              href={exportAddress(campaignId, format)}
              download
              variant="default"
              size="xs"
              leftSection={<Download size={15} />}
              aria-label={t("export.downloadAs", { format })}
            >
              {t("export.download")}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
