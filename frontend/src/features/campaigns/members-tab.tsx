import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { UserMinus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CardTable } from "@/components/card-table";
import { Form } from "@/components/form";
import { Empty, Note, ProblemNote, Waiting } from "@/components/notes";
import { Pager } from "@/components/pager";
import { asProblem } from "@/lib/api/problem";
import type { Campaign, Member } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { keys } from "@/lib/keys";
import { usersQuery } from "@/lib/queries";
import { addMember, listMembers, ROWS_PER_PAGE, removeMember } from "./api";

export function MembersTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [offset, setOffset] = useState(0);
  const members = useQuery({
    queryKey: keys.memberPage(campaign.id, offset),
    queryFn: () => listMembers(campaign.id, offset),
    placeholderData: (before) => before,
  });
  const rows = members.data?.results;
  const reload = () => {
    void queryClient.invalidateQueries({ queryKey: keys.members(campaign.id) });
    void queryClient.invalidateQueries({ queryKey: keys.campaign(campaign.id) });
    void queryClient.invalidateQueries({ queryKey: keys.campaigns });
  };
  const [removed, setRemoved] = useState<Member["user"] | null>(null);
  const removing = useMutation({
    mutationFn: ({ user }: Member) => removeMember(campaign.id, user.id),
    onSuccess: (_answer, { user }) => {
      setRemoved(user);
      reload();
    },
  });
  const restoring = useMutation({
    mutationFn: (user: Member["user"]) => addMember(campaign.id, user.username),
    onSuccess: () => {
      setRemoved(null);
      reload();
    },
  });
  return (
    <Stack gap="xl">
      <AddMember campaignId={campaign.id} onAdded={reload} />
      {removed && (
        <Note look="success" onClose={() => setRemoved(null)}>
          <Group gap="sm">
            {t("members.removed", { name: removed.name || removed.username })}
            <Button
              size="compact-sm"
              variant="default"
              loading={restoring.isPending}
              onClick={() => restoring.mutate(removed)}
            >
              {t("common.undo")}
            </Button>
          </Group>
        </Note>
      )}
      <ProblemNote error={members.error ?? removing.error ?? restoring.error} />
      {members.isPending && <Waiting />}
      {members.data?.count === 0 && <Empty title={t("members.none")}>{t("members.noneText")}</Empty>}
      {rows && rows.length > 0 && (
        <MemberTable members={rows} onRemove={(member) => removing.mutate(member)} />
      )}
      <Pager offset={offset} size={ROWS_PER_PAGE} count={members.data?.count ?? 0} onChange={setOffset} />
    </Stack>
  );
}

function AddMember({ campaignId, onAdded }: { campaignId: number; onAdded: () => void }) {
  const { t } = useTranslation();
  const [username, setUsername] = useState("");
  const [search] = useDebouncedValue(username.trim(), 200);
  const found = useQuery({ ...usersQuery(search), enabled: search.length > 0 });
  const adding = useMutation({
    mutationFn: () => addMember(campaignId, username.trim()),
    onSuccess: () => {
      setUsername("");
      onAdded();
    },
  });

  return (
    <Form onSubmit={() => adding.mutate()}>
      {(reasonFor) => (
        <Group align="flex-start" gap="sm">
          <TextInput
            label={t("members.add")}
            placeholder={t("members.addPlaceholder")}
            list="people"
            autoComplete="off"
            spellCheck={false}
            required
            withAsterisk={false}
            flex="1 1 16rem"
            maw={352}
            value={username}
            name="username"
            error={
              reasonFor("username") ??
              (adding.error &&
                (asProblem(adding.error).reasonFor("username") ?? asProblem(adding.error).message))
            }
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
          <datalist id="people">
            {found.data?.map((user) => (
              <option key={user.id} value={user.username} label={user.name} />
            ))}
          </datalist>
          <Button type="submit" loading={adding.isPending} mt={24}>
            {t("members.addSubmit")}
          </Button>
        </Group>
      )}
    </Form>
  );
}

function MemberTable({ members, onRemove }: { members: Member[]; onRemove: (member: Member) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <CardTable
      rows={members}
      keyOf={({ user }) => user.id}
      columns={[
        { head: t("members.who"), cell: ({ user }) => <bdi>{user.name || user.username}</bdi> },
        {
          head: t("members.submitted"),
          cell: (member) => format.number(member.num_submitted),
          isNumber: true,
        },
        { head: t("members.skipped"), cell: (member) => format.number(member.num_skipped), isNumber: true },
        {
          head: t("members.perUnit"),
          cell: ({ seconds_per_unit: seconds }) => (seconds === null ? "—" : format.lengthOfTime(seconds)),
          isNumber: true,
        },
        {
          head: t("members.lastActive"),
          cell: ({ last_active_at: moment }) => (moment ? format.ago(moment) : "—"),
        },
        {
          head: t("common.actions"),
          isActions: true,
          cell: (member) => (
            <Button
              variant="subtle"
              color="gray"
              size="compact-sm"
              leftSection={<UserMinus size={16} aria-hidden="true" />}
              aria-label={t("members.remove", { name: member.user.name || member.user.username })}
              onClick={() => onRemove(member)}
            >
              {t("members.removeIt")}
            </Button>
          ),
        },
      ]}
    />
  );
}
