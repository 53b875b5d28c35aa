import { Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";

export type Config = Record<string, unknown>;

/** The object written in the field; {} for an empty field, null for what is no JSON object. */
export function configOf(text: string): Config | null {
  if (!text.trim()) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Config) : null;
  } catch {
    return null;
  }
}

interface ConfigFieldProps {
  text: string;
  error?: string;
  placeholder: string;
  onChange: (text: string) => void;
}

/** A job's settings as JSON: the trainer's own names, so that the command line's help is theirs too. */
export function ConfigField({ text, error, placeholder, onChange }: ConfigFieldProps) {
  const { t } = useTranslation();
  return (
    <Textarea
      label={t("config.label")}
      description={t("config.hint")}
      placeholder={placeholder}
      rows={4}
      spellCheck={false}
      styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "0.875rem" } }}
      value={text}
      error={error ?? (configOf(text) === null ? t("config.broken") : undefined)}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
