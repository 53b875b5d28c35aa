import { X } from "lucide-react";
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import classes from "./dialog.module.css";

interface DialogProps {
  title: string;
  /** Absent: the dialog cannot be left without choosing. */
  onClose?: () => void;
  size?: "small" | "large";
  /** Beside: along the edge of the page, for what is read while working. */
  place?: "middle" | "beside";
  children: ReactNode;
}

/** A dialog over the page, mounted while it is open. The browser keeps the focus inside and gives it back after. */
export function Dialog({ title, onClose, size = "small", place = "middle", children }: DialogProps) {
  const { t } = useTranslation();
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useLayoutEffect(() => {
    const dialog = element.current;
    if (dialog && !dialog.open) dialog.showModal();
    dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => dialog?.close();
  }, []);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard's way out is Escape, which the browser sends as cancel
    <dialog
      ref={element}
      className={classes.dialog}
      data-size={size}
      data-place={place}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClick={(event) => event.target === element.current && onClose?.()}
    >
      <div className={classes.inside}>
        <header className={classes.head}>
          <h2 id={titleId}>{title}</h2>
          {onClose && (
            <button type="button" className={classes.close} aria-label={t("common.close")} onClick={onClose}>
              <X size={18} aria-hidden="true" />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
