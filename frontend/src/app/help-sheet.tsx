import { useMediaQuery } from "@mantine/hooks";
import { Fragment } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "react-router";
import { Dialog } from "@/components/dialog";
import { isMac, shown } from "@/lib/keyboard/keys";
import { ownKey } from "@/lib/keyboard/own-keys";
import { type KeyGroup, useKeyGroups } from "@/lib/keyboard/use-keys";
import { useCurrentTopic } from "@/lib/topic";
import { pageOf } from "./help-pages";
import classes from "./help-sheet.module.css";

/** What this page is for, or the work on it, and every key that works on it, where there is a keyboard. */
export function HelpSheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const groups = useKeyGroups();
  const topic = useCurrentTopic();
  const { pathname } = useLocation();
  const page = pageOf(pathname);
  const hasKeys = !useMediaQuery("(hover: none)", false, { getInitialValueInEffect: false });
  return (
    <Dialog title={t("help.title")} onClose={onClose}>
      <div className={classes.text}>
        {page && <p>{t(`help.pages.${page}`)}</p>}
        {topic && <p>{t(`help.kinds.${topic}`)}</p>}
        {(topic || page === "home") && <p>{t("help.unit")}</p>}
        {topic && !pathname.startsWith("/practice") && (
          <p>
            <Link to={`/practice/${topic}`} onClick={onClose}>
              {t("help.practice")}
            </Link>
          </p>
        )}
        <p>
          <a href="/guide" target="_blank" rel="noreferrer">
            {t("help.guide")}
          </a>
        </p>
      </div>
      {hasKeys && <Keys groups={groups} />}
    </Dialog>
  );
}

function Keys({ groups }: { groups: KeyGroup[] }) {
  const { t } = useTranslation();
  return (
    <>
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
    </>
  );
}
