import { Group, Stack, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import classes from "./page.module.css";

/** The browser's title: "what — Parley". */
export function usePageTitle(title: string | undefined) {
  useEffect(() => {
    document.title = title ? `${title} · Parley` : "Parley";
  }, [title]);
}

interface PageProps {
  title: string;
  /** What stands under the title in one quiet line. */
  note?: ReactNode;
  actions?: ReactNode;
  /** Wide pages hold tables; others keep a reading measure. */
  isWide?: boolean;
  children: ReactNode;
}

/** The frame of every page that is not a unit of work: a title, its actions, then the content. */
export function Page({ title, note, actions, isWide, children }: PageProps) {
  usePageTitle(title);
  return (
    <div className={classes.page} data-wide={isWide || undefined}>
      <Group justify="space-between" align="flex-start" gap="md" mb="lg">
        <Stack gap={4} miw={0}>
          <Title order={1} className={classes.title}>
            <bdi>{title}</bdi>
          </Title>
          {note && <div className={classes.note}>{note}</div>}
        </Stack>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </div>
  );
}
