import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

interface FormProps {
  onSubmit: () => void;
  /** Is given the reason why a field, by its name, cannot be taken as it is. */
  children: (reasonFor: (name: string) => string | undefined) => ReactNode;
}

/** A form that says itself what is missing: the browser's own bubbles speak the browser's language, and vanish. */
export function Form({ onSubmit, children }: FormProps) {
  const [reasons, setReasons] = useState<Record<string, string>>({});
  const reasonOf = useReason();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const wrong = fieldsOf(event.currentTarget).filter((field) => field.name && !field.validity.valid);
    setReasons(Object.fromEntries(wrong.map((field) => [field.name, reasonOf(field)])));
    if (wrong[0]) wrong[0].focus();
    else onSubmit();
  }

  function forget(event: FormEvent<HTMLFormElement>) {
    const { name } = event.target as Field;
    if (name in reasons) setReasons(({ [name]: _gone, ...others }) => others);
  }

  return (
    <form noValidate onSubmit={submit} onInput={forget}>
      {children((name) => reasons[name])}
    </form>
  );
}

const fieldsOf = (form: HTMLFormElement) =>
  [...form.elements].filter((element): element is Field => "validity" in element && "value" in element);

function useReason() {
  const { t } = useTranslation();
  const format = useFormat();
  return (field: Field): string => {
    const { validity } = field;
    if (!(field instanceof HTMLInputElement) || field.type !== "number") {
      return t(field instanceof HTMLSelectElement ? "form.choose" : "form.missing");
    }
    const [min, max] = [field.min, field.max].map((end) =>
      end === "" ? null : format.number(Number(end), 3),
    );
    if (validity.stepMismatch && !validity.rangeUnderflow && !validity.rangeOverflow) {
      const step = Number(field.step || 1);
      return step === 1 ? t("form.whole") : t("form.step", { step: format.number(step, 3) });
    }
    if (min && max) return t("form.between", { min, max });
    return min ? t("form.atLeast", { min }) : t("form.number");
  };
}
