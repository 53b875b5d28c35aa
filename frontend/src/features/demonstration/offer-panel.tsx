import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { Markdown } from "@/components/markdown";
import classes from "./demonstration.module.css";
import type { Offer } from "./use-suggestions";

interface OfferPanelProps {
  offer: Offer;
  isCurrent: boolean;
  language: string;
  onTake: (offer: Offer, editsNext: boolean) => void;
  onRefuse: (offer: Offer) => void;
  onStop: () => void;
  onRetry: () => void;
}

/** What the policy suggests for a turn, as it comes, and what can be done with it. */
export function OfferPanel({
  offer,
  isCurrent,
  language,
  onTake,
  onRefuse,
  onStop,
  onRetry,
}: OfferPanelProps) {
  const { t } = useTranslation();
  const hint = (keys: string) => isCurrent && <KeyHint keys={keys} />;
  const isStreaming = offer.state === "streaming";
  return (
    <div className={classes.offer} data-state={offer.state}>
      <h3>{t(`suggestion.state.${offer.state}`)}</h3>
      {offer.text && <Markdown text={offer.text} language={language} />}
      {offer.state === "failed" && (
        <p className={classes.failed} role="alert">
          {offer.detail || t("suggestion.broken")}
        </p>
      )}
      <div className={classes.offerActions}>
        {isStreaming && (
          <Button size="xs" variant="default" onClick={onStop}>
            {t("suggestion.stop")}
          </Button>
        )}
        {!isStreaming && offer.id > 0 && offer.text && (
          <>
            <Button size="xs" onClick={() => onTake(offer, false)} aria-keyshortcuts="Alt+T">
              {t("suggestion.take")}
              {hint("alt+KeyT")}
            </Button>
            <Button size="xs" variant="default" onClick={() => onTake(offer, true)} aria-keyshortcuts="Alt+E">
              {t("suggestion.edit")}
              {hint("alt+KeyE")}
            </Button>
          </>
        )}
        {!isStreaming && (
          <Button size="xs" variant="default" onClick={() => onRefuse(offer)} aria-keyshortcuts="Alt+R">
            {offer.text ? t("suggestion.refuse") : t("common.close")}
            {hint("alt+KeyR")}
          </Button>
        )}
        {offer.state === "failed" && (
          <Button size="xs" variant="default" onClick={onRetry}>
            {t("common.tryAgain")}
          </Button>
        )}
      </div>
    </div>
  );
}
