import { useTranslation } from "react-i18next";
import { languages, nameOfLanguage, setLanguage } from "@/lib/i18n";
import classes from "./sign-in-page.module.css";

/** The interface's languages, each in its own words. */
export function LanguageButtons() {
  const { t, i18n } = useTranslation();
  return (
    <nav className={classes.languages} aria-label={t("account.language")}>
      {languages.map((tag) => (
        <button
          key={tag}
          type="button"
          lang={tag}
          aria-current={i18n.language === tag ? "true" : undefined}
          onClick={() => void setLanguage(tag)}
        >
          {nameOfLanguage(tag)}
        </button>
      ))}
    </nav>
  );
}
