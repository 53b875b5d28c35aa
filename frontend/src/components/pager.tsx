import { Button, Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/lib/format";

interface PagerProps {
  offset: number;
  size: number;
  /** Of all pages together. */
  count: number;
  onChange: (offset: number) => void;
}

/** From one page of a list to the next, and how much there is; nothing where one page holds all. */
export function Pager({ offset, size, count, onChange }: PagerProps) {
  const { t } = useTranslation();
  const format = useFormat();
  if (count <= size && offset === 0) return null;
  return (
    <Group mt="md" gap="sm">
      <Button
        variant="default"
        size="xs"
        disabled={offset === 0}
        onClick={() => onChange(Math.max(0, offset - size))}
      >
        {t("common.newer")}
      </Button>
      <Button
        variant="default"
        size="xs"
        disabled={offset + size >= count}
        onClick={() => onChange(offset + size)}
      >
        {t("common.older")}
      </Button>
      <span style={{ color: "var(--quiet)", fontSize: "var(--mantine-font-size-sm)" }}>
        {t("common.shownOf", {
          first: format.number(offset + 1),
          last: format.number(Math.min(offset + size, count)),
          count,
        })}
      </span>
    </Group>
  );
}
