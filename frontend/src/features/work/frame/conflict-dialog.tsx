import { Button, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { useFormat } from "@/lib/format";
import classes from "./dialogs.module.css";

interface ConflictDialogProps {
  here: string;
  there: string;
  thereSavedAt: string;
  onChoose: (keepHere: boolean) => void;
}

/** Two versions of one draft, side by side; nothing is written until the person has chosen. */
export function ConflictDialog({ here, there, thereSavedAt, onChoose }: ConflictDialogProps) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Dialog title={t("conflict.title")} size="large">
      <Text size="sm" mb="md">
        {t("conflict.text")}
      </Text>
      <div className={classes.versions}>
        <section>
          <h3>{t("conflict.here")}</h3>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keyboard */}
          <pre dir="auto" tabIndex={0}>
            {here}
          </pre>
          <Button onClick={() => onChoose(true)}>{t("conflict.keepHere")}</Button>
        </section>
        <section>
          <h3>{t("conflict.there", { when: format.date(thereSavedAt) })}</h3>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keyboard */}
          <pre dir="auto" tabIndex={0}>
            {there}
          </pre>
          <Button variant="default" onClick={() => onChoose(false)}>
            {t("conflict.takeThere")}
          </Button>
        </section>
      </div>
    </Dialog>
  );
}
