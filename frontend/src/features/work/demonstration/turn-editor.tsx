import { ActionIcon, Button } from "@mantine/core";
import { ChevronDown, ChevronUp, Sparkles, Trash2 } from "lucide-react";
import { memo, useId } from "react";
import { useTranslation } from "react-i18next";
import { KeyHint } from "@/components/key-hint";
import { WritingField } from "@/components/writing-field";
import { roleInWords } from "@/lib/roles";
import type { Offer } from "@/lib/use-suggestions";
import classes from "./demonstration.module.css";
import type { WrittenTurn } from "./dialogue-edits";
import { type OfferActions, OfferPanel } from "./offer-panel";
import { type AskedWords, WordsHint } from "./words-hint";

interface TurnEditorProps extends OfferActions {
  turn: WrittenTurn;
  /** Counted from 1 over the whole dialogue. */
  number: number;
  language: string;
  /** How long the turn should be, if the campaign says so. */
  words: AskedWords | null;
  isCurrent: boolean;
  isLast: boolean;
  isOnly: boolean;
  canSuggest: boolean;
  offers: Offer[];
  shownOffer: number;
  canMoveUp: boolean;
  canMoveDown: boolean;
  onFocus: () => void;
  onWrite: (text: string) => void;
  onPaste: (length: number) => void;
  onMove: (step: -1 | 1) => void;
  onDelete: () => void;
}

/** One turn: who speaks, what they say, and what is suggested for it. */
export function TurnEditor(props: TurnEditorProps) {
  const { t } = useTranslation();
  const { turn, offers, number, isCurrent } = props;
  const id = useId();
  const role = roleInWords(turn.role, t);
  const deletes = t(props.isLast ? "demonstration.delete" : "demonstration.deleteTwo", { role, number });
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only notes which turn the keys are for
    <section className={classes.turn} data-role={turn.role} onFocus={props.onFocus}>
      <div className={classes.head}>
        <label htmlFor={id}>
          {role}
          <span className="visually-hidden">{t("demonstration.turn", { number })}</span>
        </label>
        {props.canSuggest && (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<Sparkles size={15} />}
            onClick={props.onAnother}
            loading={offers.some((offer) => offer.state === "streaming")}
            aria-keyshortcuts="Alt+S"
          >
            {t("suggestion.ask")}
            {isCurrent && <KeyHint keys="alt+KeyS" />}
          </Button>
        )}
        {props.canMoveUp && (
          <IconButton
            label={t("demonstration.moveUp", { number })}
            keys="Alt+ArrowUp"
            onClick={() => props.onMove(-1)}
          >
            <ChevronUp size={18} />
          </IconButton>
        )}
        {props.canMoveDown && (
          <IconButton
            label={t("demonstration.moveDown", { number })}
            keys="Alt+ArrowDown"
            onClick={() => props.onMove(1)}
          >
            <ChevronDown size={18} />
          </IconButton>
        )}
        {(!props.isOnly || turn.content) && (
          <IconButton label={deletes} onClick={props.onDelete}>
            <Trash2 size={16} />
          </IconButton>
        )}
      </div>
      <Field
        id={id}
        text={turn.content}
        language={props.language}
        role={turn.role}
        onWrite={props.onWrite}
        onPaste={props.onPaste}
      />
      {props.words && <WordsHint text={turn.content} language={props.language} asked={props.words} />}
      {offers.length > 0 && (
        <OfferPanel
          offers={offers}
          shown={props.shownOffer}
          isCurrent={isCurrent}
          language={props.language}
          onTake={props.onTake}
          onTakePart={props.onTakePart}
          onRefuse={props.onRefuse}
          onStop={props.onStop}
          onAnother={props.onAnother}
          onShow={props.onShow}
        />
      )}
    </section>
  );
}

interface IconButtonProps {
  label: string;
  keys?: string;
  onClick: () => void;
  children: React.ReactNode;
}

function IconButton({ label, keys, onClick, children }: IconButtonProps) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={label}
      title={label}
      aria-keyshortcuts={keys}
      onClick={onClick}
    >
      {children}
    </ActionIcon>
  );
}

interface FieldProps {
  id: string;
  text: string;
  language: string;
  role: WrittenTurn["role"];
  onWrite: (text: string) => void;
  onPaste: (length: number) => void;
}

const Field = memo(function Field({ id, text, language, role, onWrite, onPaste }: FieldProps) {
  const { t } = useTranslation();
  return (
    <WritingField
      id={id}
      lines={3}
      data-turn
      lang={language}
      value={text}
      placeholder={t(`demonstration.placeholder.${role}`)}
      onWrite={onWrite}
      onPaste={(event) => {
        const { length } = event.clipboardData.getData("text");
        if (length > 0) onPaste(length);
      }}
    />
  );
});
