import { ActionIcon, Button } from "@mantine/core";
import { Sparkles, Trash2 } from "lucide-react";
import { memo, useId } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { roleInWords } from "@/lib/roles";
import classes from "./demonstration.module.css";
import type { WrittenTurn } from "./dialogue-edits";
import { OfferPanel } from "./offer-panel";
import type { Offer } from "./use-suggestions";

interface TurnEditorProps {
  turn: WrittenTurn;
  /** Counted from 1 over the whole dialogue. */
  number: number;
  language: string;
  isCurrent: boolean;
  isLast: boolean;
  isOnly: boolean;
  canSuggest: boolean;
  offer: Offer | null;
  onFocus: () => void;
  onWrite: (text: string) => void;
  onDelete: () => void;
  onSuggest: () => void;
  onTake: (offer: Offer, editsNext: boolean) => void;
  onRefuse: (offer: Offer) => void;
  onStop: () => void;
}

/** One turn: who speaks, what they say, and a suggestion if one was asked for. */
export function TurnEditor(props: TurnEditorProps) {
  const { t } = useTranslation();
  const { turn, offer } = props;
  const id = useId();
  const role = roleInWords(turn.role, t);
  const deletes = t(props.isLast ? "demonstration.delete" : "demonstration.deleteTwo", {
    role,
    number: props.number,
  });
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only notes which turn the keys are for
    <section className={classes.turn} data-role={turn.role} onFocus={props.onFocus}>
      <div className={classes.head}>
        <label htmlFor={id}>
          {role}
          <span className="visually-hidden">{t("demonstration.turn", { number: props.number })}</span>
        </label>
        {props.canSuggest && (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<Sparkles size={15} />}
            onClick={props.onSuggest}
            loading={offer?.state === "streaming"}
            aria-keyshortcuts="Alt+S"
          >
            {t("suggestion.ask")}
            {props.isCurrent && <KeyHint keys="alt+KeyS" />}
          </Button>
        )}
        {(!props.isOnly || turn.content) && (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={deletes}
            title={deletes}
            onClick={props.onDelete}
          >
            <Trash2 size={16} />
          </ActionIcon>
        )}
      </div>
      <Field id={id} text={turn.content} language={props.language} role={turn.role} onWrite={props.onWrite} />
      {offer && (
        <OfferPanel
          offer={offer}
          isCurrent={props.isCurrent}
          language={props.language}
          onTake={props.onTake}
          onRefuse={props.onRefuse}
          onStop={props.onStop}
          onRetry={props.onSuggest}
        />
      )}
    </section>
  );
}

interface FieldProps {
  id: string;
  text: string;
  language: string;
  role: WrittenTurn["role"];
  onWrite: (text: string) => void;
}

const Field = memo(function Field({ id, text, language, role, onWrite }: FieldProps) {
  const { t } = useTranslation();
  return (
    <textarea
      id={id}
      className={classes.field}
      dir="auto"
      lang={language}
      rows={3}
      value={text}
      placeholder={t(`demonstration.placeholder.${role}`)}
      onChange={(event) => onWrite(event.currentTarget.value)}
    />
  );
});
