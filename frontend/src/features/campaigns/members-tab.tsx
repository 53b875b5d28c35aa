import { ActionIcon, Button, Group, Stack, Table, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { UserMinus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ProblemNote, Waiting } from "@/components/notes";
import { asProblem } from "@/lib/api/problem";
import type { Campaign, Member } from "@/lib/api/types";
import { useFormat } from "@/lib/format";
import { addMember, findUsers, listMembers, removeMember } from "./api";

export function MembersTab({ campaign }: { campaign: Campaign }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const members = useQuery({ queryKey: ["members", campaign.id], queryFn: () => listMembers(campaign.id) });
  const reload = () => {
    void queryClient.invalidateQueries({ queryKey: ["members", campaign.id] });
    void queryClient.invalidateQueries({ queryKey: ["campaign", campaign.id] });
    void queryClient.invalidateQueries({ queryKey: ["campaigns"] });
  };
  const removing = useMutation({
    mutationFn: (userId: number) => removeMember(campaign.id, userId),
    onSuccess: reload,
  });
  return (
    <Stack gap="xl">
      <AddMember campaignId={campaign.id} onAdded={reload} />
      <ProblemNote error={members.error ?? removing.error} />
      {members.isPending && <Waiting />}
      {members.data?.length === 0 && <Empty title={t("members.none")}>{t("members.noneText")}</Empty>}
      {members.data && members.data.length > 0 && (
        <MemberTable members={members.data} onRemove={(userId) => removing.mutate(userId)} />
      )}
    </Stack>
  );
}

function AddMember({ campaignId, onAdded }: { campaignId: number; onAdded: () => void }) {
  const { t } = useTranslation();
  const [username, setUsername] = useState("");
  const [search] = useDebouncedValue(username.trim(), 200);
  const found = useQuery({
    queryKey: ["users", search],
    queryFn: () => findUsers(search),
    enabled: search.length > 0,
    placeholderData: (before) => before,
  });
  const adding = useMutation({
    mutationFn: () => addMember(campaignId, username.trim()),
    onSuccess: () => {
      setUsername("");
      onAdded();
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    adding.mutate();
  }

  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="sm">
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
          error={
            adding.error && (asProblem(adding.error).reasonFor("username") ?? asProblem(adding.error).message)
          }
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <datalist id="people">
          {found.data?.results.map((user) => (
            <option key={user.id} value={user.username} label={user.name} />
          ))}
        </datalist>
        <Button type="submit" loading={adding.isPending}>
          {t("members.addSubmit")}
        </Button>
      </Group>
    </form>
  );
}

function MemberTable({ members, onRemove }: { members: Member[]; onRemove: (userId: number) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Table.ScrollContainer minWidth={640} type="native">
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("members.who")}</Table.Th>
            <Table.Th ta="end">{t("members.submitted")}</Table.Th>
            <Table.Th ta="end">{t("members.skipped")}</Table.Th>
            <Table.Th ta="end">{t("members.perUnit")}</Table.Th>
            <Table.Th ps="xl">{t("members.lastActive")}</Table.Th>
            <Table.Th pos="relative">
              <span className="visually-hidden">{t("common.actions")}</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {members.map(({ user, ...member }) => (
            <Table.Tr key={user.id}>
              <Table.Td>
                <bdi>{user.name || user.username}</bdi>
              </Table.Td>
              <Table.Td ta="end">{format.number(member.num_submitted)}</Table.Td>
              <Table.Td ta="end">{format.number(member.num_skipped)}</Table.Td>
              <Table.Td ta="end">
                {member.seconds_per_unit === null ? "—" : format.lengthOfTime(member.seconds_per_unit)}
              </Table.Td>
              <Table.Td ps="xl">{member.last_active_at ? format.ago(member.last_active_at) : "—"}</Table.Td>
              <Table.Td ta="end">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={t("members.remove", { name: user.name || user.username })}
                  title={t("members.remove", { name: user.name || user.username })}
                  onClick={() => onRemove(user.id)}
                >
                  <UserMinus size={16} />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
