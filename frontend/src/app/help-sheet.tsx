import { Fragment } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { isMac, shown } from "@/lib/keyboard/keys";
import { ownKey } from "@/lib/keyboard/own-keys";
import { useKeyGroups } from "@/lib/keyboard/use-keys";
import classes from "./help-sheet.module.css";

/** Every key that works on this page. */
export function HelpSheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const groups = useKeyGroups();
  return (
    <Dialog title={t("keys.title")} onClose={onClose}>
      {[...groups].reverse().map((group) => (
        <section key={group.title} className={classes.group}>
          <h3>{group.title}</h3>
          <dl>
            {group.bindings
              .filter((binding) => binding.label)
              .map((binding) => (
                <Fragment key={binding.label}>
                  <dt>
                    {binding.shownAs ? (
                      <kbd>{binding.shownAs}</kbd>
                    ) : (
                      [binding.keys]
                        .flat()
                        .map((keys) => <kbd key={keys}>{shown(ownKey(keys), isMac).join(" ")}</kbd>)
                    )}
                  </dt>
                  <dd>{binding.label}</dd>
                </Fragment>
              ))}
          </dl>
        </section>
      ))}
      <p className={classes.note}>{t("keys.note")}</p>
    </Dialog>
  );
}
