import { Button, Group, Switch, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Confirm } from "@/components/confirm";
import { Empty, ProblemNote } from "@/components/notes";
import type { Schedule } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import { changeSchedule, deleteSchedule, schedulesQuery } from "./api";
import { NewSchedule } from "./new-schedule";
import classes from "./rounds.module.css";

/** Rounds that start by themselves: every so often, or after so much new feedback. */
export function Schedules() {
  const { t } = useTranslation();
  const canChange = may(useMe(), "create_schedule");
  const [isAdding, setAdding] = useState(false);
  const schedules = useQuery(schedulesQuery);
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t("schedules.title")}</Title>
        {canChange && (
          <Button
            variant="default"
            size="xs"
            leftSection={<Plus size={15} />}
            onClick={() => setAdding(true)}
          >
            {t("schedules.new")}
          </Button>
        )}
      </Group>
      <ProblemNote error={schedules.error} />
      {schedules.data?.length === 0 && <Empty title={t("schedules.none")}>{t("schedules.noneText")}</Empty>}
      {schedules.data?.map((schedule) => (
        <ScheduleLine key={schedule.id} schedule={schedule} canChange={canChange} />
      ))}
      {isAdding && <NewSchedule onClose={() => setAdding(false)} />}
    </section>
  );
}

function ScheduleLine({ schedule, canChange }: { schedule: Schedule; canChange: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queryClient = useQueryClient();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.schedules });
  const switching = useMutation({
    mutationFn: (is_enabled: boolean) => changeSchedule(schedule.id, { is_enabled }),
    onSuccess: reload,
  });
  const deleting = useMutation({ mutationFn: () => deleteSchedule(schedule.id), onSuccess: reload });
  const [isAsking, setAsking] = useState(false);
  const reasons = [
    schedule.every_hours && t("schedules.everyHours", { count: schedule.every_hours }),
    schedule.min_new_feedback && t("schedules.afterFeedback", { count: schedule.min_new_feedback }),
  ].filter((reason): reason is string => Boolean(reason));
  return (
    <div className={classes.schedule}>
      <div>
        <strong>{schedule.name}</strong>
        <p className={classes.quiet}>
          {new Intl.ListFormat(format.language, { type: "disjunction" }).format(reasons)}
          {" · "}
          {schedule.snapshot_only ? t("schedules.snapshotOnly") : t("schedules.wholeRound")}
          {" · "}
          {schedule.last_started_at
            ? t("schedules.lastStarted", { when: format.ago(schedule.last_started_at) })
            : t("schedules.neverStarted")}
        </p>
        <ProblemNote error={switching.error} />
      </div>
      {canChange && (
        <>
          <Switch
            label={t("schedules.enabled")}
            checked={schedule.is_enabled ?? true}
            onChange={(event) => switching.mutate(event.currentTarget.checked)}
          />
          <Button
            variant="subtle"
            color="gray"
            size="compact-sm"
            leftSection={<Trash2 size={16} aria-hidden="true" />}
            aria-label={t("schedules.delete", { name: schedule.name })}
            onClick={() => setAsking(true)}
          >
            {t("common.delete")}
          </Button>
          {isAsking && (
            <Confirm
              title={t("schedules.delete", { name: schedule.name })}
              text={t("schedules.deleteText")}
              verb={t("common.delete")}
              isPending={deleting.isPending}
              error={deleting.error}
              onConfirm={() => deleting.mutate()}
              onClose={() => setAsking(false)}
            />
          )}
        </>
      )}
    </div>
  );
}
