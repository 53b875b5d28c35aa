import { Anchor, Table } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { ShareBar } from "@/components/figures";
import { StateBadge } from "@/components/state-badge";
import type { Run } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import classes from "./runs.module.css";

export function RunTable({ runs }: { runs: Run[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Table.ScrollContainer minWidth={720} type="native">
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("runs.name")}</Table.Th>
            <Table.Th>{t("runs.state")}</Table.Th>
            <Table.Th w={200}>{t("runs.progress")}</Table.Th>
            <Table.Th>{t("runs.policy")}</Table.Th>
            <Table.Th>{t("runs.made")}</Table.Th>
            <Table.Th>{t("runs.started")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {runs.map((run) => (
            <Table.Tr key={run.id}>
              <Table.Td>
                <Anchor component={Link} to={`/runs/${run.id}`} fw={600} size="sm">
                  {run.name}
                </Anchor>
                <p className={classes.quiet}>{t(`runs.kinds.${run.kind}`)}</p>
              </Table.Td>
              <Table.Td>
                <StateBadge state={run.state} />
              </Table.Td>
              <Table.Td>
                <RunProgress run={run} />
              </Table.Td>
              <Table.Td>
                {run.policy && <Link to={`/policies/${run.policy.id}`}>{run.policy.name}</Link>}
              </Table.Td>
              <Table.Td>
                <Made run={run} />
              </Table.Td>
              <Table.Td>{format.ago(run.started_at ?? run.created_at)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

/** How far a run is, as a bar and in words. */
export function RunProgress({ run }: { run: Run }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (!run.total_steps) return null;
  const words = t("runs.stepOf", { step: format.number(run.step), total: format.number(run.total_steps) });
  const left = run.state === "running" && run.seconds_left !== null && run.seconds_left !== undefined;
  return (
    <>
      <ShareBar share={run.step / run.total_steps} label={words} />
      <p className={classes.quiet}>
        {words}
        {left && ` · ${t("runs.left", { time: format.lengthOfTime(run.seconds_left ?? 0) })}`}
      </p>
    </>
  );
}

/** What a run registered. */
export function Made({ run }: { run: Run }) {
  const { policy_version, reward_model } = run.output;
  if (policy_version) return <Link to={`/policies/${policy_version.id}`}>{policy_version.name}</Link>;
  return reward_model ? <bdi>{reward_model.name}</bdi> : null;
}
