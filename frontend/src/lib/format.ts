import { useTranslation } from "react-i18next";

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 minutes ago", in the language given. */
export function ago(iso: string, language: string, now = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** A length of time in its two largest units, as "1h 4m" in the language given. */
export function lengthOfTime(seconds: number, language: string): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "day"],
    [Math.floor((whole % 86_400) / 3600), "hour"],
    [Math.floor((whole % 3600) / 60), "minute"],
    [whole % 60, "second"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  const kept = first < 0 ? parts.slice(3) : parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return kept
    .map(([amount, unit]) =>
      new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "narrow" }).format(amount),
    )
    .join(" ");
}

/** Numbers, dates and lengths of time as the reader writes them. */
export function useFormat() {
  const language = useTranslation().i18n.language;
  return {
    language,
    number: (value: number, digits = 0) =>
      new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value),
    figure: (value: number) => {
      const size = Math.abs(value);
      const notation = value !== 0 && size < 0.001 ? "scientific" : size >= 1e6 ? "compact" : "standard";
      return new Intl.NumberFormat(language, { maximumSignificantDigits: 4, notation }).format(value);
    },
    percent: (value: number) =>
      new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(value),
    date: (iso: string) =>
      new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso)),
    day: (iso: string) =>
      new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" }).format(
        new Date(iso),
      ),
    ago: (iso: string) => ago(iso, language),
    lengthOfTime: (seconds: number) => lengthOfTime(seconds, language),
  };
}
